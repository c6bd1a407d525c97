import ca.uhn.fhir.rest.client.api.IGenericClient;
import ca.uhn.fhir.rest.server.exceptions.BaseServerResponseException;
import ca.uhn.fhir.util.BundleBuilder;
import java.util.List;
import org.hl7.fhir.r4.model.BooleanType;
import org.hl7.fhir.r4.model.Bundle;
import org.hl7.fhir.r4.model.IdType;
import org.hl7.fhir.r4.model.Observation;
import org.hl7.fhir.r4.model.OperationOutcome;
import org.hl7.fhir.r4.model.Patient;

/** Batches and transactions, as the pages of HAPI's client and of its BundleBuilder show them. */
final class Bundles {
  private final HapiClient client;
  private final IGenericClient fhir;

  Bundles(HapiClient client) {
    this.client = client;
    this.fhir = client.fhir;
  }

  private Patient patient(String family, String id) {
    Patient patient = HapiClient.patient(family + client.encoding.name());
    patient.setId(id);
    return patient;
  }

  private static List<String> statuses(Bundle answer) {
    return answer.getEntry().stream().map(entry -> entry.getResponse().getStatus()).toList();
  }

  void run(HapiClient.Checks tap) {
    tap.check("transaction: creates that refer to each other, a search and a read", () -> {
      Patient patient = patient("Tx", null);
      Observation observation = Searches.observation("urn:uuid:0fc374a1-a226-4552-9683-55dd510e67c9", 70);
      Bundle bundle = new Bundle().setType(Bundle.BundleType.TRANSACTION);
      bundle.addEntry().setFullUrl("urn:uuid:0fc374a1-a226-4552-9683-55dd510e67c9").setResource(patient).getRequest()
          .setMethod(Bundle.HTTPVerb.POST).setUrl("Patient");
      bundle.addEntry().setResource(observation).getRequest().setMethod(Bundle.HTTPVerb.POST).setUrl("Observation");
      bundle.addEntry().getRequest().setMethod(Bundle.HTTPVerb.GET).setUrl("Patient?family=Tx" + client.encoding.name());
      Bundle answer = fhir.transaction().withBundle(bundle).execute();
      Tap.equal(answer.getType(), Bundle.BundleType.TRANSACTIONRESPONSE);
      Tap.equal(statuses(answer), List.of("201", "201", "200"));
      Tap.equal(((Bundle) answer.getEntry().get(2).getResource()).getEntry().size(), 1);
      IdType made = new IdType(answer.getEntry().get(1).getResponse().getLocation());
      Observation read = fhir.read().resource(Observation.class).withId(made.getIdPart()).execute();
      Tap.equal(read.getSubject().getReference(),
          new IdType(answer.getEntryFirstRep().getResponse().getLocation()).toUnqualifiedVersionless().getValue());
    });
    tap.check("transaction by BundleBuilder: update, conditional create and update, patches, deletes", () -> {
      String id = "tx-" + client.encoding.name();
      fhir.update().resource(patient("TxDelete", id + "-gone")).execute();
      fhir.update().resource(patient("TxPatch", id + "-patched")).execute();
      BundleBuilder builder = new BundleBuilder(client.context);
      String where = "Patient?identifier=http://example.org/patients|";
      builder.addTransactionUpdateEntry(patient("TxUpdate", "Patient/" + id));
      builder.addTransactionCreateEntry(patient("TxCreate", null))
          .conditional(where + "TxCreate" + client.encoding.name());
      builder.addTransactionUpdateEntry(patient("TxCond", null)).conditional(where + "TxCond" + client.encoding.name());
      builder.addTransactionFhirPatchEntry(new IdType("Patient/" + id + "-patched"),
          Interactions.replace("Patient.active", new BooleanType(false)));
      builder.addTransactionDeleteEntry(new IdType("Patient/" + id + "-gone"));
      Bundle answer = fhir.transaction().withBundle((Bundle) builder.getBundle()).execute();
      Tap.equal(statuses(answer), List.of("201", "201", "201", "200", "204"));
      Tap.equal(fhir.read().resource(Patient.class).withId(id + "-patched").execute().getActive(), false);
    });
    tap.check("transaction of resources", () -> {
      List<org.hl7.fhir.instance.model.api.IBaseResource> made = fhir.transaction()
          .withResources(List.of(patient("TxA", null), patient("TxB", null))).execute();
      Tap.equal(made.size(), 2);
    });
    tap.check("a transaction that fails says which entry, and does nothing", () -> {
      BundleBuilder builder = new BundleBuilder(client.context);
      builder.addTransactionCreateEntry(patient("TxFails", null));
      builder.addTransactionCreateEntry(Searches.observation("Patient/nowhere", 1));
      String said = HapiClient.says(Tap.refused(BaseServerResponseException.class,
          () -> fhir.transaction().withBundle((Bundle) builder.getBundle()).execute()));
      Tap.holds(said.contains("nowhere"), "the outcome names the reference: " + said);
      Tap.equal(fhir.search().byUrl("Patient?family=TxFails" + client.encoding.name()).returnBundle(Bundle.class)
          .execute().getEntry().size(), 0);
    });
    tap.check("batch: each entry stands alone, and a refused one has its outcome", () -> {
      Bundle bundle = new Bundle().setType(Bundle.BundleType.BATCH);
      bundle.addEntry().setResource(patient("Batch", null)).getRequest().setMethod(Bundle.HTTPVerb.POST)
          .setUrl("Patient");
      bundle.addEntry().getRequest().setMethod(Bundle.HTTPVerb.GET).setUrl("Patient/nobody");
      bundle.addEntry().getRequest().setMethod(Bundle.HTTPVerb.GET).setUrl("Patient?frobnicate=1");
      bundle.addEntry().getRequest().setMethod(Bundle.HTTPVerb.GET).setUrl("metadata");
      Bundle answer = fhir.transaction().withBundle(bundle).execute();
      Tap.equal(answer.getType(), Bundle.BundleType.BATCHRESPONSE);
      Tap.equal(statuses(answer), List.of("201", "404", "400", "200"));
      for (int refused : new int[] {1, 2}) {
        Tap.holds(answer.getEntry().get(refused).getResponse().getOutcome() instanceof OperationOutcome,
            "entry " + refused + " has its outcome");
      }
    });
    tap.check("a transaction as a text", () -> {
      Bundle bundle = new Bundle().setType(Bundle.BundleType.TRANSACTION);
      bundle.addEntry().setResource(patient("TxText", null)).getRequest().setMethod(Bundle.HTTPVerb.POST)
          .setUrl("Patient");
      String text = client.encoding.newParser(client.context).encodeResourceToString(bundle);
      String answer = fhir.transaction().withBundle(text).encodedJson().execute();
      Tap.holds(answer.contains("transaction-response"), "the answer is one: " + answer);
    });
  }
}
