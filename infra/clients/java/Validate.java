import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import ca.uhn.fhir.validation.SingleValidationMessage;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.instance.model.api.IBaseResource;
import org.hl7.fhir.r4.model.Bundle;

/**
 * Holds answers against the definitions of R4 with HAPI's validator. It reads lines of standard input, each a file, a tab,
 * and what the file answers, and a line each is a check. An answer fails by errors, and by warnings that are not known.
 * Its arguments are kinds of answers that must have come, as in "Bundle/history xml".
 */
final class Validate {
  /** Warnings that say nothing against an answer: what they begin with or contain, and why they are passed over. */
  private static final Map<Pattern, String> PASSED_OVER = Map.of(
      Pattern.compile("dom-6"), "a narrative is a recommendation, and what a client sends stays so",
      Pattern.compile("CodeSystem is unknown and can't be validated: http://loinc.org"), "R4 has no list of LOINC's codes");

  /** What differs between places that have the same fault: indexes, and names of what stands there. */
  private static final Pattern NUMBERS = Pattern.compile("\\[\\d+]|/\\*.*?\\*/");

  private Validate() {}

  public static void main(String[] args) throws Exception {
    FhirContext context = FhirContext.forR4();
    FhirInstanceValidator module = new FhirInstanceValidator(new ValidationSupportChain(
        new DefaultProfileValidationSupport(context), new CommonCodeSystemsTerminologyService(context),
        new InMemoryTerminologyServerValidationSupport(context)));
    FhirValidator validator = context.newValidator().registerValidatorModule(module);
    validator.validateWithResult("{\"resourceType\":\"Bundle\",\"type\":\"collection\"}"); // reads the definitions
    Tap tap = new Tap();
    Map<String, Integer> kinds = new TreeMap<>();
    Map<String, Integer> passed = new TreeMap<>();
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] parts = line.split("\t", 2);
      tap.check("valid: " + parts[1], () -> {
        String text = Files.readString(Path.of(parts[0]));
        kinds.merge(kind(context, text), 1, Integer::sum);
        Set<String> faults = new LinkedHashSet<>();
        for (SingleValidationMessage message : validator.validateWithResult(text).getMessages()) {
          if (message.getSeverity() == ResultSeverityEnum.INFORMATION) {
            continue;
          }
          String reason = message.getSeverity() == ResultSeverityEnum.WARNING ? reason(message.getMessage()) : null;
          if (reason == null) {
            faults.add(message.getSeverity() + " at " + NUMBERS.matcher(message.getLocationString()).replaceAll("[]")
                + ": " + message.getMessage());
          } else {
            passed.merge(reason, 1, Integer::sum);
          }
        }
        if (!faults.isEmpty()) {
          throw new AssertionError(parts[0] + "\n" + String.join("\n", faults));
        }
      });
    }
    for (String kind : args) {
      tap.check("an answer of the kind " + kind + " has come", () -> Tap.holds(kinds.containsKey(kind),
          "these are all kinds: " + kinds));
    }
    passed.forEach((reason, times) -> System.out.println("# passed over " + times + " warnings: " + reason));
    tap.end();
  }

  /** What kind of resource an answer is, and its form. */
  private static String kind(FhirContext context, String text) {
    boolean xml = text.stripLeading().startsWith("<");
    IBaseResource resource = (xml ? context.newXmlParser() : context.newJsonParser()).parseResource(text);
    String type = resource instanceof Bundle bundle ? "/" + bundle.getType().toCode() : "";
    return resource.fhirType() + type + (xml ? " xml" : " json");
  }

  private static String reason(String warning) {
    for (Map.Entry<Pattern, String> entry : PASSED_OVER.entrySet()) {
      if (entry.getKey().matcher(warning).find()) {
        return entry.getValue();
      }
    }
    return null;
  }
}
