import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.parser.IParser;
import ca.uhn.fhir.parser.StrictErrorHandler;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.client.api.IGenericClient;
import ca.uhn.fhir.rest.client.interceptor.AdditionalRequestHeadersInterceptor;
import ca.uhn.fhir.rest.gclient.IUpdateExecutable;
import ca.uhn.fhir.rest.server.exceptions.ResourceNotFoundException;
import java.nio.charset.StandardCharsets;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.hl7.fhir.r4.model.Resource;

/**
 * HL7's examples of R4, written in JSON and in XML, and read back in both. What comes must be what HAPI makes of what went,
 * element by element, with the digits of decimals, apart from what a server says itself (version and time).
 */
final class Examples {
  private static final Pattern NARRATIVE = Pattern.compile("\"div\": \"<div.*");
  private static final Pattern SPACE = Pattern.compile("(\\\\[ntr]|\\s)+");

  private final FhirContext context = FhirContext.forR4();
  private final Map<EncodingEnum, IGenericClient> clients;

  private Examples(String base) {
    context.setParserErrorHandler(new StrictErrorHandler());
    context.getRestfulClientFactory().setSocketTimeout(60_000);
    clients = Map.of(EncodingEnum.JSON, client(base, EncodingEnum.JSON), EncodingEnum.XML, client(base, EncodingEnum.XML));
  }

  private IGenericClient client(String base, EncodingEnum encoding) {
    IGenericClient client = context.newRestfulGenericClient(base);
    client.setEncoding(encoding);
    // The examples refer to each other, and to much that is no example.
    AdditionalRequestHeadersInterceptor dangling = new AdditionalRequestHeadersInterceptor();
    dangling.addHeaderValue("Binnacle-Allow-Dangling", "true");
    client.registerInterceptor(dangling);
    return client;
  }

  public static void main(String[] args) throws Exception {
    Examples examples = new Examples(args[0]);
    Tap tap = new Tap();
    try (ZipFile archive = new ZipFile(args[1])) {
      for (ZipEntry file : archive.stream().sorted(Comparator.comparing(ZipEntry::getName)).toList()) {
        String name = file.getName();
        String text = new String(archive.getInputStream(file).readAllBytes(), StandardCharsets.UTF_8);
        EncodingEnum form = name.endsWith(".xml") ? EncodingEnum.XML : EncodingEnum.JSON;
        for (EncodingEnum written : List.of(EncodingEnum.JSON, EncodingEnum.XML)) {
          tap.check(name + " written as " + written.name() + " is read back as it was",
              () -> examples.check(text, form, written));
        }
      }
    }
    tap.end();
  }

  private void check(String text, EncodingEnum form, EncodingEnum written) throws Exception {
    Resource example = (Resource) parser(form).parseResource(text);
    String id = example.getIdElement().getIdPart() + "-" + written.name().toLowerCase();
    id = id.length() > 64 ? id.substring(id.length() - 64) : id;
    example.setId(id);
    String sent = parser(written).encodeResourceToString(example);
    IUpdateExecutable update = clients.get(written).update().resource(sent).withId(id);
    if (example.fhirType().equals("Parameters")) { // R4 has no place for it
      HapiClient.says(Tap.refused(ResourceNotFoundException.class, update::execute));
      return;
    }
    update.execute();
    for (Map.Entry<EncodingEnum, IGenericClient> reader : clients.entrySet()) {
      Resource read = (Resource) reader.getValue().read().resource(example.fhirType()).withId(id).execute();
      // As it was, or as HAPI itself reads and maps it: it keeps neither white space nor the form of every number.
      Resource mapped = (Resource) parser(written).parseResource(sent);
      mapped = (Resource) parser(reader.getKey()).parseResource(
          parser(reader.getKey()).encodeResourceToString(mapped));
      Tap.equal(read.getIdElement().getIdPart(), id);
      String want = plain(mapped);
      String got = plain(read);
      if (!got.equals(want) && !got.equals(plain(example))) {
        throw new AssertionError("read as " + reader.getKey() + " it differs" + difference(got, want));
      }
    }
  }

  private IParser parser(EncodingEnum form) {
    return form.newParser(context);
  }

  /** A resource as a text, without what a server says itself. */
  private String plain(Resource resource) {
    Resource copy = resource.copy();
    copy.setId((String) null); // with an id goes the version that it has
    if (copy.hasMeta()) {
      copy.getMeta().setVersionId(null).setLastUpdated(null);
      if (copy.getMeta().isEmpty()) {
        copy.setMeta(null);
      }
    }
    String text = parser(EncodingEnum.JSON).setPrettyPrint(true).encodeResourceToString(copy);
    // HAPI writes narratives in XML with other white space, which means nothing in XHTML.
    return NARRATIVE.matcher(text).replaceAll(div -> Matcher.quoteReplacement(
        SPACE.matcher(div.group()).replaceAll(" ").replace(" <", "<").replace("> ", ">")));
  }

  /** The first lines that differ. */
  private static String difference(String got, String want) {
    List<String> is = got.lines().toList();
    List<String> was = want.lines().toList();
    for (int i = 0; i < Math.max(is.size(), was.size()); i++) {
      String one = i < is.size() ? is.get(i) : "(end)";
      String other = i < was.size() ? was.get(i) : "(end)";
      if (!one.equals(other)) {
        return " at line " + (i + 1) + ":\n got " + one + "\nwant " + other;
      }
    }
    return "";
  }
}
