import ca.uhn.fhir.model.primitive.IdDt;
import ca.uhn.fhir.rest.api.DeleteCascadeModeEnum;
import ca.uhn.fhir.rest.api.MethodOutcome;
import ca.uhn.fhir.rest.api.PreferReturnEnum;
import ca.uhn.fhir.rest.client.apache.GZipContentInterceptor;
import ca.uhn.fhir.rest.client.api.IGenericClient;
import ca.uhn.fhir.rest.param.DateRangeParam;
import ca.uhn.fhir.rest.server.exceptions.BaseServerResponseException;
import ca.uhn.fhir.rest.server.exceptions.InvalidRequestException;
import ca.uhn.fhir.rest.server.exceptions.NotModifiedException;
import ca.uhn.fhir.rest.server.exceptions.PreconditionFailedException;
import ca.uhn.fhir.rest.server.exceptions.ResourceGoneException;
import ca.uhn.fhir.rest.server.exceptions.ResourceNotFoundException;
import ca.uhn.fhir.rest.server.exceptions.ResourceVersionConflictException;
import ca.uhn.fhir.rest.server.exceptions.UnprocessableEntityException;
import java.nio.charset.StandardCharsets;
import java.util.Date;
import java.util.List;
import org.hl7.fhir.instance.model.api.IIdType;
import org.hl7.fhir.r4.model.Binary;
import org.hl7.fhir.r4.model.BooleanType;
import org.hl7.fhir.r4.model.Bundle;
import org.hl7.fhir.r4.model.CapabilityStatement;
import org.hl7.fhir.r4.model.CodeType;
import org.hl7.fhir.r4.model.DateType;
import org.hl7.fhir.r4.model.IntegerType;
import org.hl7.fhir.r4.model.Meta;
import org.hl7.fhir.r4.model.Observation;
import org.hl7.fhir.r4.model.OperationOutcome;
import org.hl7.fhir.r4.model.Parameters;
import org.hl7.fhir.r4.model.Patient;
import org.hl7.fhir.r4.model.StringType;
import org.hl7.fhir.r4.model.Type;

/** The interactions with one resource, as the pages of HAPI's generic client show them. */
final class Interactions {
  private final HapiClient client;
  private final IGenericClient fhir;

  Interactions(HapiClient client) {
    this.client = client;
    this.fhir = client.fhir;
  }

  void run(HapiClient.Checks tap) {
    capabilities(tap);
    reading(tap);
    writing(tap);
    conditional(tap);
    patching(tap);
    deleting(tap);
    histories(tap);
    binaries(tap);
    operations(tap);
  }

  private IIdType created(String family) {
    return fhir.create().resource(HapiClient.patient(name(family))).execute().getId().toUnqualifiedVersionless();
  }

  /** A name that only this run with this encoding uses. */
  private String name(String family) {
    return family + client.encoding.name();
  }

  private static String where(String name) {
    return "Patient?identifier=http://example.org/patients|" + name;
  }

  private void capabilities(HapiClient.Checks tap) {
    tap.check("capabilities().ofType reads the CapabilityStatement, and it is of R4", () -> {
      CapabilityStatement all = fhir.capabilities().ofType(CapabilityStatement.class).execute();
      Tap.equal(all.getFhirVersion().toCode(), "4.0.1");
      Tap.holds(all.getRestFirstRep().getResource().size() > 100, "it names the types");
    });
  }

  private void reading(HapiClient.Checks tap) {
    tap.check("read, vread, and read of what has not changed since", () -> {
      IIdType id = created("Read");
      Patient read = fhir.read().resource(Patient.class).withId(id.getIdPart()).execute();
      Tap.equal(read.getNameFirstRep().getFamily(), name("Read"));
      Tap.equal(read.getIdElement().getVersionIdPart(), "1");
      Tap.equal(read.getMeta().getVersionId(), "1");
      Tap.holds(read.getMeta().getLastUpdated() != null, "meta.lastUpdated is there");
      Patient first = fhir.read().resource(Patient.class).withIdAndVersion(id.getIdPart(), "1").execute();
      Tap.equal(first.getNameFirstRep().getFamily(), name("Read"));
      Tap.holds(fhir.read().resource(Patient.class).withId(id.getIdPart()).ifVersionMatches("1").returnNull().execute()
          == null, "a version that the client has is not sent again");
      Tap.refused(NotModifiedException.class, () -> fhir.read().resource(Patient.class).withId(id.getIdPart())
          .ifVersionMatches("1").throwNotModifiedException().execute());
    });
    tap.check("read in the other encoding, and indented, by the request", () -> {
      IIdType id = created("Encoded");
      Tap.equal(fhir.read().resource(Patient.class).withId(id.getIdPart()).encodedJson().prettyPrint().execute()
          .getNameFirstRep().getFamily(), name("Encoded"));
      Tap.equal(client.header("Content-Type").split(";")[0], "application/fhir+json");
      Tap.equal(fhir.read().resource(Patient.class).withId(id.getIdPart()).encodedXml().prettyPrint().execute()
          .getNameFirstRep().getFamily(), name("Encoded"));
      Tap.equal(client.header("Content-Type").split(";")[0], "application/fhir+xml");
    });
    tap.check("read by an absolute url", () -> {
      IIdType id = created("Url");
      Patient read = fhir.read().resource(Patient.class).withUrl(client.base + "/" + id.getValue()).execute();
      Tap.equal(read.getIdElement().getIdPart(), id.getIdPart());
    });
    tap.check("read with _summary and _elements", () -> {
      IIdType id = created("Part");
      Patient part = fhir.read().resource(Patient.class).withId(id.getIdPart())
          .elementsSubset("active", "identifier").execute();
      Tap.holds(part.hasActive() && !part.hasName(), "only the elements that were asked for come");
      Tap.equal(part.getMeta().getTagFirstRep().getCode(), "SUBSETTED");
    });
    tap.check("read of what was never there is a ResourceNotFoundException with an outcome", () -> HapiClient.says(
        Tap.refused(ResourceNotFoundException.class, () -> fhir.read().resource(Patient.class).withId("nobody")
            .execute())));
    tap.check("vread of a version that was never there", () -> Tap.refused(ResourceNotFoundException.class,
        () -> fhir.read().resource(Patient.class).withIdAndVersion(created("Vread").getIdPart(), "7").execute()));
  }

  private void writing(HapiClient.Checks tap) {
    tap.check("create, with each of the answers that Prefer knows", () -> {
      MethodOutcome made = fhir.create().resource(HapiClient.patient(name("Made")))
          .prefer(PreferReturnEnum.REPRESENTATION).execute();
      Tap.equal(client.status, 201);
      Tap.equal(made.getCreated(), true);
      Tap.equal(made.getId().getVersionIdPart(), "1");
      Tap.equal(((Patient) made.getResource()).getNameFirstRep().getFamily(), name("Made"));
      MethodOutcome minimal = fhir.create().resource(HapiClient.patient(name("Made")))
          .prefer(PreferReturnEnum.MINIMAL).execute();
      Tap.holds(minimal.getResource() == null && minimal.getId().hasIdPart(), "minimal gives the id alone");
      MethodOutcome outcome = fhir.create().resource(HapiClient.patient(name("Made")))
          .prefer(PreferReturnEnum.OPERATION_OUTCOME).execute();
      Tap.holds(outcome.getOperationOutcome() instanceof OperationOutcome, "the outcome was asked for");
    });
    tap.check("create from a text", () -> {
      String text = client.encoding.newParser(client.context).encodeResourceToString(HapiClient.patient(name("Text")));
      Tap.equal(fhir.create().resource(text).execute().getCreated(), true);
    });
    tap.check("create with a packed body", () -> {
      GZipContentInterceptor packed = new GZipContentInterceptor();
      fhir.registerInterceptor(packed);
      try {
        Tap.equal(fhir.create().resource(HapiClient.patient(name("Packed"))).execute().getCreated(), true);
      } finally {
        fhir.unregisterInterceptor(packed);
      }
    });
    tap.check("update, also one that creates", () -> {
      IIdType id = created("Update");
      Patient patient = fhir.read().resource(Patient.class).withId(id.getIdPart()).execute();
      patient.addName().setText("Countess");
      MethodOutcome updated = fhir.update().resource(patient).execute();
      Tap.equal(updated.getId().getVersionIdPart(), "2");
      Tap.equal(client.status, 200);
      Patient chosen = HapiClient.patient(name("Chosen"));
      chosen.setId(new IdDt("Patient", "chosen-" + client.encoding.name()));
      Tap.equal(fhir.update().resource(chosen).execute().getCreated(), true);
      Tap.equal(client.status, 201);
    });
    tap.check("an update of an old version is a PreconditionFailedException", () -> {
      IIdType id = created("Stale");
      Patient first = fhir.read().resource(Patient.class).withId(id.getIdPart()).execute();
      Patient second = first.copy();
      second.setActive(false);
      fhir.update().resource(second).withId(id.withVersion("1")).execute();
      first.addName().setText("too late");
      Tap.refused(PreconditionFailedException.class, () -> fhir.update().resource(first).withId(id.withVersion("1"))
          .withAdditionalHeader("If-Match", "W/\"1\"").execute());
    });
    tap.check("an update whose id is another's is refused with an outcome", () -> {
      Patient patient = HapiClient.patient(name("Other"));
      patient.setId("Patient/one");
      String text = client.encoding.newParser(client.context).encodeResourceToString(patient);
      HapiClient.says(Tap.refused(InvalidRequestException.class,
          () -> fhir.update().resource(text).withId("Patient/another").execute()));
    });
    tap.check("a reference that leads nowhere is refused with an outcome", () -> {
      Observation observation = Searches.observation("Patient/nowhere", 1);
      HapiClient.says(Tap.refused(BaseServerResponseException.class, () -> fhir.create().resource(observation)
          .execute()));
    });
  }

  private void conditional(HapiClient.Checks tap) {
    tap.check("conditional create: by url and by criteria", () -> {
      Patient patient = HapiClient.patient(name("IfNone"));
      Tap.equal(fhir.create().resource(patient).conditionalByUrl(where(name("IfNone"))).execute().getCreated(), true);
      MethodOutcome again = fhir.create().resource(patient).conditional()
          .where(Patient.IDENTIFIER.exactly().systemAndIdentifier("http://example.org/patients", name("IfNone")))
          .execute();
      Tap.equal(client.status, 200);
      Tap.holds(!Boolean.TRUE.equals(again.getCreated()), "the second is not created");
      Tap.equal(again.getId().getVersionIdPart(), "1");
    });
    tap.check("conditional update: creates, updates, refuses several", () -> {
      Patient patient = HapiClient.patient(name("CondUpdate"));
      Tap.equal(fhir.update().resource(patient).conditionalByUrl(where(name("CondUpdate"))).execute().getCreated(),
          true);
      patient.setActive(false);
      MethodOutcome updated = fhir.update().resource(patient).conditional()
          .where(Patient.IDENTIFIER.exactly().systemAndIdentifier("http://example.org/patients", name("CondUpdate")))
          .execute();
      Tap.equal(updated.getId().getVersionIdPart(), "2");
      created("CondUpdate");
      HapiClient.says(Tap.refused(PreconditionFailedException.class,
          () -> fhir.update().resource(patient).conditionalByUrl(where(name("CondUpdate"))).execute()));
    });
  }

  private void patching(HapiClient.Checks tap) {
    String inactive = "[{\"op\":\"replace\",\"path\":\"/active\",\"value\":false}]";
    tap.check("patch with JSON Patch", () -> {
      IIdType id = created("JsonPatch");
      MethodOutcome patched = fhir.patch().withBody(inactive).withId(id).prefer(PreferReturnEnum.REPRESENTATION)
          .execute();
      Tap.equal(patched.getId().getVersionIdPart(), "2");
      Tap.equal(((Patient) patched.getResource()).getActive(), false);
      Tap.equal(fhir.read().resource(Patient.class).withId(id.getIdPart()).execute().getActive(), false);
    });
    tap.check("patch with FHIRPath Patch", () -> {
      IIdType id = created("FhirPatch");
      MethodOutcome patched = fhir.patch().withFhirPatch(replace("Patient.name[0].family", new StringType("Lovelace")))
          .withId(id).prefer(PreferReturnEnum.REPRESENTATION).execute();
      Tap.equal(((Patient) patched.getResource()).getNameFirstRep().getFamily(), "Lovelace");
    });
    tap.check("patch with FHIRPath Patch: add, insert, move, delete", () -> {
      IIdType id = created("FhirPatches");
      Parameters patch = new Parameters();
      operation(patch, "add", "Patient", "name", "birthDate", "value", new DateType("1815-12-10"));
      operation(patch, "add", "Patient.name[0]", "name", "given", "value", new StringType("Byron"));
      operation(patch, "insert", "Patient.name[0].given", "index", 1, "value", new StringType("King"));
      operation(patch, "move", "Patient.name[0].given", "source", 2, "destination", 0);
      operation(patch, "delete", "Patient.active");
      Patient patched = (Patient) fhir.patch().withFhirPatch(patch).withId(id).prefer(PreferReturnEnum.REPRESENTATION)
          .execute().getResource();
      Tap.equal(patched.getNameFirstRep().getGiven().stream().map(StringType::getValue).toList(),
          List.of("Byron", "Ada", "King"));
      Tap.equal(patched.getBirthDateElement().getValueAsString(), "1815-12-10");
      Tap.holds(!patched.hasActive(), "active is deleted");
    });
    tap.check("conditional patch: one match, none, several", () -> {
      IIdType id = created("CondPatch");
      fhir.patch().withBody(inactive).conditionalByUrl(where(name("CondPatch"))).execute();
      Tap.equal(fhir.read().resource(Patient.class).withId(id.getIdPart()).execute().getActive(), false);
      fhir.patch().withFhirPatch(replace("Patient.active", new BooleanType(true)))
          .conditional(Patient.class)
          .where(Patient.IDENTIFIER.exactly().systemAndIdentifier("http://example.org/patients", name("CondPatch")))
          .execute();
      Tap.equal(fhir.read().resource(Patient.class).withId(id.getIdPart()).execute().getActive(), true);
      HapiClient.says(Tap.refused(ResourceNotFoundException.class,
          () -> fhir.patch().withBody(inactive).conditionalByUrl(where(name("Nobody"))).execute()));
      created("CondPatch");
      HapiClient.says(Tap.refused(PreconditionFailedException.class,
          () -> fhir.patch().withBody(inactive).conditionalByUrl(where(name("CondPatch"))).execute()));
    });
    tap.check("a patch whose test fails is an UnprocessableEntityException", () -> HapiClient.says(Tap.refused(
        UnprocessableEntityException.class, () -> fhir.patch()
            .withBody("[{\"op\":\"test\",\"path\":\"/active\",\"value\":false}]").withId(created("Test")).execute())));
    tap.check("a patch of an old version is a PreconditionFailedException", () -> {
      IIdType id = created("StalePatch");
      fhir.patch().withBody(inactive).withId(id).withAdditionalHeader("If-Match", "W/\"1\"").execute();
      HapiClient.says(Tap.refused(PreconditionFailedException.class, () -> fhir.patch().withBody(inactive).withId(id)
          .withAdditionalHeader("If-Match", "W/\"1\"").execute()));
    });
    tap.check("a patch of what is not there is a ResourceNotFoundException", () -> HapiClient.says(Tap.refused(
        ResourceNotFoundException.class, () -> fhir.patch().withBody(inactive).withId("Patient/nobody").execute())));
    tap.check("XML Patch is refused with an outcome", () -> HapiClient.says(Tap.refused(
        BaseServerResponseException.class, () -> fhir.patch()
            .withBody("<diff xmlns:f=\"http://hl7.org/fhir\"><replace sel=\"f:Patient/f:active/@value\">false</replace>"
                + "</diff>")
            .withId(created("XmlPatch")).execute())));
  }

  /** A FHIRPath Patch that replaces one value. */
  static Parameters replace(String path, Type value) {
    Parameters patch = new Parameters();
    operation(patch, "replace", path, "value", value);
    return patch;
  }

  /** Adds an operation to a FHIRPath Patch, with the names and values of its other parts. */
  private static void operation(Parameters patch, String type, String path, Object... parts) {
    Parameters.ParametersParameterComponent operation = patch.addParameter().setName("operation");
    operation.addPart().setName("type").setValue(new CodeType(type));
    operation.addPart().setName("path").setValue(new StringType(path));
    for (int i = 0; i < parts.length; i += 2) {
      Object value = parts[i + 1];
      operation.addPart().setName((String) parts[i]).setValue(value instanceof Integer number ? new IntegerType(number)
          : value instanceof String text ? new StringType(text) : (Type) value);
    }
  }

  private void deleting(HapiClient.Checks tap) {
    tap.check("delete: then it is gone, and a second one is no error", () -> {
      IIdType id = created("Gone");
      fhir.delete().resourceById(id).execute();
      HapiClient.says(Tap.refused(ResourceGoneException.class,
          () -> fhir.read().resource(Patient.class).withId(id.getIdPart()).execute()));
      fhir.delete().resourceById(id).execute();
      Tap.equal(fhir.read().resource(Patient.class).withIdAndVersion(id.getIdPart(), "1").execute().getIdElement()
          .getVersionIdPart(), "1");
    });
    tap.check("conditional delete: one match, none", () -> {
      IIdType id = created("CondDelete");
      fhir.delete().resourceConditionalByUrl(where(name("CondDelete"))).execute();
      Tap.refused(ResourceGoneException.class, () -> fhir.read().resource(Patient.class).withId(id.getIdPart())
          .execute());
      fhir.delete().resourceConditionalByType(Patient.class)
          .where(Patient.IDENTIFIER.exactly().systemAndIdentifier("http://example.org/patients", name("CondDelete")))
          .execute();
    });
    tap.check("conditional delete of several", () -> {
      IIdType one = created("CondDeletes");
      IIdType two = created("CondDeletes");
      fhir.delete().resourceConditionalByUrl(where(name("CondDeletes"))).execute();
      for (IIdType id : List.of(one, two)) {
        Tap.refused(ResourceGoneException.class, () -> fhir.read().resource(Patient.class).withId(id.getIdPart())
            .execute());
      }
    });
    tap.check("what is referred to stays, or goes with all that refers to it", () -> {
      IIdType patient = created("Cascade");
      IIdType observation = fhir.create().resource(Searches.observation(patient.getValue(), 1)).execute().getId();
      HapiClient.says(Tap.refused(ResourceVersionConflictException.class,
          () -> fhir.delete().resourceById(patient).execute()));
      fhir.delete().resourceById(patient).cascade(DeleteCascadeModeEnum.DELETE).execute();
      Tap.refused(ResourceGoneException.class, () -> fhir.read().resource(Patient.class).withId(patient.getIdPart())
          .execute());
      Tap.refused(ResourceGoneException.class, () -> fhir.read().resource(Observation.class)
          .withId(observation.getIdPart()).execute());
    });
  }

  private void histories(HapiClient.Checks tap) {
    tap.check("history of a resource, with its deletion", () -> {
      IIdType id = created("History");
      Patient patient = fhir.read().resource(Patient.class).withId(id.getIdPart()).execute();
      patient.setActive(false);
      fhir.update().resource(patient).execute();
      fhir.delete().resourceById(id).execute();
      Bundle all = fhir.history().onInstance(id).returnBundle(Bundle.class).execute();
      Tap.equal(all.getType(), Bundle.BundleType.HISTORY);
      Tap.equal(all.getTotal(), 3);
      Tap.equal(all.getEntry().stream().map(entry -> entry.getRequest().getMethod().toCode()).toList(),
          List.of("DELETE", "PUT", "POST"));
      Tap.holds(!all.getEntryFirstRep().hasResource(), "a deletion has no resource");
      Bundle page = fhir.history().onInstance(id).returnBundle(Bundle.class).count(2).execute();
      Tap.equal(page.getEntry().size(), 2);
      Tap.equal(fhir.loadPage().next(page).execute().getEntry().size(), 1);
    });
    tap.check("history of a type and of all, page by page", () -> {
      created("HistoryA");
      Date since = new Date();
      created("HistoryB");
      Bundle type = fhir.history().onType(Patient.class).returnBundle(Bundle.class).count(2).execute();
      Tap.equal(type.getType(), Bundle.BundleType.HISTORY);
      Tap.equal(type.getEntry().size(), 2);
      Tap.equal(((Patient) type.getEntryFirstRep().getResource()).getNameFirstRep().getFamily(), name("HistoryB"));
      Bundle next = fhir.loadPage().next(type).execute();
      Tap.equal(next.getEntry().size(), 2);
      Bundle all = fhir.history().onServer().returnBundle(Bundle.class).count(5).execute();
      Tap.equal(all.getEntry().size(), 5);
      Bundle young = fhir.history().onType(Patient.class).returnBundle(Bundle.class).since(since).execute();
      Tap.holds(young.getEntry().size() >= 1, "_since keeps what is young");
      Bundle at = fhir.history().onType(Patient.class).returnBundle(Bundle.class).at(new DateRangeParam(since, null))
          .execute();
      Tap.holds(at.getEntry().size() >= 1, "_at is understood");
    });
  }

  private void binaries(HapiClient.Checks tap) {
    byte[] bytes = "%PDF-1.7 \u0000\u0001 a page".getBytes(StandardCharsets.ISO_8859_1);
    tap.check("Binary: raw bytes in, the resource out", () -> {
      Binary binary = new Binary();
      binary.setContentType("application/pdf").setData(bytes); // HAPI sends these bytes as they are
      IIdType id = fhir.create().resource(binary).execute().getId();
      Tap.equal(id.getResourceType(), "Binary");
      Binary read = fhir.read().resource(Binary.class).withId(id.getIdPart()).execute();
      Tap.equal(read.getContentType(), "application/pdf");
      Tap.equal(new String(read.getData(), StandardCharsets.ISO_8859_1),
          new String(bytes, StandardCharsets.ISO_8859_1));
    });
    tap.check("Binary: raw bytes with their security context", () -> {
      IIdType owner = created("Owner");
      Binary binary = new Binary();
      binary.setContentType("application/pdf").setData(bytes); // HAPI sends the bytes alone
      IIdType id = fhir.create().resource(binary).withAdditionalHeader("X-Security-Context", owner.getValue()).execute()
          .getId();
      Binary read = fhir.read().resource(Binary.class).withId(id.getIdPart()).execute();
      Tap.equal(read.getSecurityContext().getReference(), owner.getValue());
    });
    tap.check("Binary: a new version of raw bytes", () -> {
      Binary binary = new Binary();
      binary.setContentType("text/plain").setData("one".getBytes(StandardCharsets.UTF_8));
      IIdType id = fhir.create().resource(binary).execute().getId();
      binary.setId(id.toVersionless());
      binary.setData("two".getBytes(StandardCharsets.UTF_8));
      Tap.equal(fhir.update().resource(binary).execute().getId().getVersionIdPart(), "2");
      Tap.equal(new String(fhir.read().resource(Binary.class).withId(id.getIdPart()).execute().getData(),
          StandardCharsets.UTF_8), "two");
    });
  }

  private void operations(HapiClient.Checks tap) {
    tap.check("operations that are not offered are refused with not-supported", () -> {
      IIdType id = created("Operation");
      String instance = HapiClient.says(Tap.refused(ResourceNotFoundException.class, () -> fhir.operation()
          .onInstance(id).named("$frobnicate").withNoParameters(Parameters.class).execute()));
      String type = HapiClient.says(Tap.refused(ResourceNotFoundException.class, () -> fhir.operation()
          .onType(Patient.class).named("$frobnicate").withNoParameters(Parameters.class).useHttpGet().execute()));
      String all = HapiClient.says(Tap.refused(ResourceNotFoundException.class, () -> fhir.operation().onServer()
          .named("$frobnicate").withNoParameters(Parameters.class).execute()));
      for (String said : List.of(instance, type, all)) {
        Tap.holds(said.startsWith("not-supported"), "the outcome's code is not-supported: " + said);
      }
    });
    tap.check("$process-message is refused with not-supported", () -> {
      Bundle message = new Bundle().setType(Bundle.BundleType.MESSAGE);
      HapiClient.says(Tap.refused(ResourceNotFoundException.class, () -> fhir.operation().processMessage()
          .setMessageBundle(message).synchronous(Bundle.class).execute()));
    });
    tap.check("$validate and $meta are refused with not-supported while they are not offered", () -> {
      HapiClient.says(Tap.refused(ResourceNotFoundException.class,
          () -> fhir.validate().resource(HapiClient.patient("V")).execute()));
      HapiClient.says(Tap.refused(ResourceNotFoundException.class,
          () -> fhir.meta().get(Meta.class).fromServer().execute()));
    });
  }
}
