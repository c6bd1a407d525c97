import static ca.uhn.fhir.rest.api.EncodingEnum.JSON;
import static ca.uhn.fhir.rest.api.EncodingEnum.XML;

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.parser.StrictErrorHandler;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.client.api.IClientInterceptor;
import ca.uhn.fhir.rest.client.api.IGenericClient;
import ca.uhn.fhir.rest.client.api.IHttpRequest;
import ca.uhn.fhir.rest.client.api.IHttpResponse;
import ca.uhn.fhir.rest.server.exceptions.BaseServerResponseException;
import org.hl7.fhir.r4.model.OperationOutcome;
import org.hl7.fhir.r4.model.Patient;

/** What the programs on HAPI's client share: a client that forgives nothing, and what the last answer said over HTTP. */
final class HapiClient {
  final FhirContext context = FhirContext.forR4();
  final IGenericClient fhir;
  final EncodingEnum encoding;
  final String base;

  /** Of the last answer. */
  int status;

  private IHttpResponse answer;

  HapiClient(String base, EncodingEnum encoding) {
    this.base = base;
    this.encoding = encoding;
    context.setParserErrorHandler(new StrictErrorHandler());
    context.getRestfulClientFactory().setSocketTimeout(60_000);
    fhir = context.newRestfulGenericClient(base);
    fhir.setEncoding(encoding);
    fhir.registerInterceptor(new IClientInterceptor() {
      @Override
      public void interceptRequest(IHttpRequest request) {
        answer = null;
      }

      @Override
      public void interceptResponse(IHttpResponse response) {
        answer = response;
        status = response.getStatus();
      }
    });
  }

  /** A header of the last answer, or null. */
  String header(String name) {
    return answer.getHeaders(name).stream().findFirst().orElse(null);
  }

  /** A patient that nobody else has. */
  static Patient patient(String family) {
    Patient patient = new Patient();
    patient.addIdentifier().setSystem("http://example.org/patients").setValue(family);
    patient.addName().setFamily(family).addGiven("Ada");
    patient.setActive(true);
    return patient;
  }

  /** The text of the first issue of a refusal, whose outcome must have one. */
  static String says(BaseServerResponseException refusal) {
    OperationOutcome outcome = (OperationOutcome) refusal.getOperationOutcome();
    Tap.holds(outcome != null && outcome.hasIssue(), "a refusal has an OperationOutcome: " + refusal);
    return outcome.getIssueFirstRep().getCode().toCode() + ": " + outcome.getIssueFirstRep().getDiagnostics();
  }

  public static void main(String[] args) {
    Tap tap = new Tap();
    for (EncodingEnum encoding : new EncodingEnum[] {JSON, XML}) {
      HapiClient client = new HapiClient(args[0], encoding);
      String name = "hapi " + encoding.name().toLowerCase() + ": ";
      new Interactions(client).run((what, check) -> tap.check(name + what, check));
      new Searches(client).run((what, check) -> tap.check(name + what, check));
      new Bundles(client).run((what, check) -> tap.check(name + what, check));
    }
    tap.end();
  }

  /** Takes the checks of one part. */
  interface Checks {
    void check(String name, Tap.Check check);
  }
}
