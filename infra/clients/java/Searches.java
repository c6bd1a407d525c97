import ca.uhn.fhir.rest.annotation.RequiredParam;
import ca.uhn.fhir.rest.annotation.Search;
import ca.uhn.fhir.rest.api.SearchStyleEnum;
import ca.uhn.fhir.rest.api.SearchTotalModeEnum;
import ca.uhn.fhir.rest.api.SummaryEnum;
import ca.uhn.fhir.rest.client.api.IBasicClient;
import ca.uhn.fhir.rest.client.api.IGenericClient;
import ca.uhn.fhir.rest.gclient.IQuery;
import ca.uhn.fhir.rest.gclient.StringClientParam;
import ca.uhn.fhir.rest.param.DateRangeParam;
import ca.uhn.fhir.rest.param.ParamPrefixEnum;
import ca.uhn.fhir.rest.param.StringParam;
import ca.uhn.fhir.rest.server.exceptions.InvalidRequestException;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.hl7.fhir.instance.model.api.IIdType;
import org.hl7.fhir.r4.model.Bundle;
import org.hl7.fhir.r4.model.DateTimeType;
import org.hl7.fhir.r4.model.Observation;
import org.hl7.fhir.r4.model.Patient;
import org.hl7.fhir.r4.model.Quantity;
import org.hl7.fhir.r4.model.Reference;

/** Searches as the pages of HAPI's generic client show them, and one of its annotation client. */
final class Searches {
  private static final int OBSERVATIONS = 7;

  private final HapiClient client;
  private final IGenericClient fhir;
  private String family;
  private IIdType patient;

  Searches(HapiClient client) {
    this.client = client;
    this.fhir = client.fhir;
  }

  /** A valid observation of a body weight in kg. */
  static Observation observation(String subject, double weight) {
    Observation observation = new Observation();
    observation.setStatus(Observation.ObservationStatus.FINAL);
    observation.getCode().addCoding().setSystem("http://loinc.org").setCode("29463-7").setDisplay("Body weight");
    observation.setSubject(new Reference(subject));
    observation.addPerformer(new Reference(subject));
    observation.setEffective(new DateTimeType("2026-11-30"));
    observation.setValue(new Quantity().setValue(BigDecimal.valueOf(weight)).setUnit("kg")
        .setSystem("http://unitsofmeasure.org").setCode("kg"));
    return observation;
  }

  /** HAPI's other kind of client, whose methods are told by annotations. */
  interface Patients extends IBasicClient {
    @Search
    List<Patient> byFamily(@RequiredParam(name = Patient.SP_FAMILY) StringParam family);
  }

  void run(HapiClient.Checks tap) {
    tap.check("what is searched for is written", () -> {
      family = "Searched" + client.encoding.name();
      patient = fhir.create().resource(HapiClient.patient(family)).execute().getId().toUnqualifiedVersionless();
      for (int i = 1; i <= OBSERVATIONS; i++) {
        fhir.create().resource(observation(patient.getValue(), 50 + i)).execute();
      }
    });
    for (SearchStyleEnum style : List.of(SearchStyleEnum.GET, SearchStyleEnum.POST)) {
      tap.check("search by " + style + ", with sort, count and total, all pages forth and back", () -> pages(style));
    }
    tap.check("search with criteria, chains and lists of values", () -> {
      Bundle found = fhir.search().forResource(Observation.class)
          .where(Observation.CODE.exactly().systemAndCode("http://loinc.org", "29463-7"))
          .and(Observation.SUBJECT.hasChainedProperty("Patient", Patient.FAMILY.matches().value(family)))
          .and(Observation.VALUE_QUANTITY.withPrefix(ParamPrefixEnum.GREATERTHAN).number(55)
              .andUnits("http://unitsofmeasure.org", "kg"))
          .returnBundle(Bundle.class).execute();
      Tap.equal(found.getEntry().size(), 2);
      Tap.equal(found.getEntryFirstRep().getSearch().getMode(), Bundle.SearchEntryMode.MATCH);
      found = fhir.search().forResource(Patient.class).where(Patient.FAMILY.matchesExactly().values(family, "Nobody"))
          .and(Patient.ACTIVE.exactly().code("true")).returnBundle(Bundle.class).execute();
      Tap.equal(found.getEntry().size(), 1);
    });
    tap.check("search by time, tag, profile, what is missing, composites, maps, and _has", () -> {
      String profile = "http://hl7.org/fhir/StructureDefinition/Observation";
      Observation tagged = observation(patient.getValue(), 90);
      tagged.getMeta().addTag().setSystem("http://example.org/tags").setCode(family);
      tagged.getMeta().addProfile(profile);
      fhir.create().resource(tagged).execute();
      IQuery<Bundle> all = fhir.search().forResource(Observation.class).where(Observation.SUBJECT.hasId(patient))
          .returnBundle(Bundle.class);
      Tap.equal(all.lastUpdated(new DateRangeParam("ge2020-01-01", null)).count(20).execute().getEntry().size(), 8);
      Tap.equal(fhir.search().forResource(Observation.class).withTag("http://example.org/tags", family)
          .withProfile(profile).returnBundle(Bundle.class).execute().getEntry().size(), 1);
      Tap.equal(fhir.search().forResource(Observation.class).where(Observation.SUBJECT.hasId(patient))
          .and(Observation.DEVICE.isMissing(true)).and(Observation.CODE_VALUE_QUANTITY
              .withLeft(Observation.CODE.exactly().systemAndCode("http://loinc.org", "29463-7"))
              .withRight(Observation.VALUE_QUANTITY.exactly().number(90).andNoUnits()))
          .returnBundle(Bundle.class).execute().getEntry().size(), 1);
      Tap.equal(fhir.search().forResource(Patient.class).whereMap(Map.of("_has:Observation:subject:_tag",
          List.of("http://example.org/tags|" + family))).returnBundle(Bundle.class).execute().getEntry().size(), 1);
      fhir.delete().resourceConditionalByUrl("Observation?_tag=http://example.org/tags|" + family).execute();
    });
    tap.check("search with _include and _revinclude", () -> {
      Bundle found = fhir.search().forResource(Observation.class).where(Observation.SUBJECT.hasId(patient))
          .include(Observation.INCLUDE_SUBJECT).returnBundle(Bundle.class).execute();
      Tap.equal(modes(found), List.of("include 1", "match 7"));
      found = fhir.search().forResource(Patient.class).where(Patient.FAMILY.matches().value(family))
          .revInclude(Observation.INCLUDE_SUBJECT).returnBundle(Bundle.class).execute();
      Tap.equal(modes(found), List.of("include 7", "match 1"));
    });
    tap.check("search with _summary, _elements and _count=0", () -> {
      Bundle found = fhir.search().forResource(Patient.class).where(Patient.FAMILY.matches().value(family))
          .summaryMode(SummaryEnum.COUNT).returnBundle(Bundle.class).execute();
      Tap.equal(found.getTotal() + " " + found.getEntry().size(), "1 0");
      found = fhir.search().forResource(Patient.class).where(Patient.FAMILY.matches().value(family))
          .elementsSubset("active").returnBundle(Bundle.class).execute();
      Patient part = (Patient) found.getEntryFirstRep().getResource();
      Tap.holds(part.hasActive() && !part.hasName(), "only the elements that were asked for come");
      for (SummaryEnum mode : List.of(SummaryEnum.TRUE, SummaryEnum.TEXT, SummaryEnum.DATA)) {
        found = fhir.search().forResource(Patient.class).where(Patient.FAMILY.matches().value(family))
            .summaryMode(mode).returnBundle(Bundle.class).execute();
        Tap.equal(found.getEntry().size(), 1);
      }
    });
    tap.check("search by a url, relative and absolute", () -> {
      for (String url : List.of("Patient?family=" + family, client.base + "/Patient?family=" + family)) {
        Tap.equal(fhir.search().byUrl(url).returnBundle(Bundle.class).execute().getEntry().size(), 1);
      }
    });
    tap.check("search in a compartment and over all types", () -> {
      Bundle found = fhir.search().forResource(Patient.class).withIdAndCompartment(patient.getIdPart(), "Observation")
          .returnBundle(Bundle.class).execute();
      Tap.equal(found.getEntry().size(), OBSERVATIONS);
      found = fhir.search().forAllResources().where(new StringClientParam("_type").matches().values("Patient", "Observation"))
          .count(5).returnBundle(Bundle.class).execute();
      Tap.equal(found.getEntry().size(), 5);
    });
    tap.check("search by the annotation client", () -> {
      Patients patients = client.context.newRestfulClient(Patients.class, client.base);
      patients.setEncoding(client.encoding);
      List<Patient> found = patients.byFamily(new StringParam(family));
      Tap.equal(found.size(), 1);
    });
    tap.check("an unknown parameter is an InvalidRequestException that names it", () -> {
      String said = HapiClient.says(Tap.refused(InvalidRequestException.class,
          () -> fhir.search().byUrl("Patient?frobnicate=1").returnBundle(Bundle.class).execute()));
      Tap.holds(said.contains("frobnicate"), "the outcome names it: " + said);
    });
    tap.check("an unknown parameter is left out when the client is lenient, and the answer says so", () -> {
      Bundle found = fhir.search().byUrl("Patient?frobnicate=1&family=" + family)
          .withAdditionalHeader("Prefer", "handling=lenient").returnBundle(Bundle.class).execute();
      Tap.equal(modes(found), List.of("match 1", "outcome 1"));
    });
  }

  private void pages(SearchStyleEnum style) {
    Bundle page = fhir.search().forResource(Observation.class).where(Observation.SUBJECT.hasId(patient))
        .sort().descending("_lastUpdated")
        .count(3).totalMode(SearchTotalModeEnum.ACCURATE).usingStyle(style).returnBundle(Bundle.class).execute();
    Tap.equal(page.getType(), Bundle.BundleType.SEARCHSET);
    Tap.equal(page.getTotal(), OBSERVATIONS);
    Set<String> seen = new HashSet<>();
    List<Integer> sizes = new ArrayList<>();
    Bundle last = page;
    for (; page != null; page = page.getLink(Bundle.LINK_NEXT) == null ? null : fhir.loadPage().next(page).execute()) {
      page.getEntry().forEach(entry -> seen.add(entry.getResource().getIdElement().getIdPart()));
      sizes.add(page.getEntry().size());
      last = page;
    }
    Tap.equal(sizes, List.of(3, 3, 1));
    Tap.equal(seen.size(), OBSERVATIONS);
    Bundle before = fhir.loadPage().previous(last).execute();
    Tap.equal(before.getEntry().size(), 3);
  }

  /** How many entries of each mode a searchset has. */
  private static List<String> modes(Bundle found) {
    Map<String, Integer> counts = new TreeMap<>();
    found.getEntry().forEach(entry -> counts.merge(entry.getSearch().getMode().toCode(), 1, Integer::sum));
    return counts.entrySet().stream().map(count -> count.getKey() + " " + count.getValue()).toList();
  }
}
