import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.parser.IParser;
import java.nio.file.*;
import java.nio.charset.StandardCharsets;
import java.util.zip.*;
import java.util.*;
import org.hl7.fhir.instance.model.api.IBaseResource;

/** Writes what HAPI makes of the examples in a zip file, in the other form, to another zip file; see README.md. */
public class Golden {
  public static void main(String[] args) throws Exception {
    FhirContext c = FhirContext.forR4();
    c.getParserOptions().setStripVersionsFromReferences(false);
    c.getParserOptions().setOverrideResourceIdWithBundleEntryFullUrl(false);
    c.getParserOptions().setAutoContainReferenceTargetsWithNoId(false);
    ZipInputStream in = new ZipInputStream(Files.newInputStream(Paths.get(args[0])));
    TreeMap<String, byte[]> out = new TreeMap<>();
    for (ZipEntry e; (e = in.getNextEntry()) != null; ) {
      String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
      String name = e.getName();
      try {
        IBaseResource r = (name.endsWith(".xml") ? c.newXmlParser() : c.newJsonParser()).parseResource(text);
        IParser other = name.endsWith(".xml") ? c.newJsonParser() : c.newXmlParser();
        String s = other.encodeResourceToString(r);
        out.put(name + (name.endsWith(".xml") ? ".json" : ".xml"), s.getBytes(StandardCharsets.UTF_8));
      } catch (Exception x) {
        System.err.println(name + ": " + x.getMessage());
      }
    }
    ZipOutputStream z = new ZipOutputStream(Files.newOutputStream(Paths.get(args[1])));
    z.setLevel(9);
    for (Map.Entry<String, byte[]> e : out.entrySet()) {
      ZipEntry n = new ZipEntry(e.getKey());
      n.setTime(315532800000L);
      z.putNextEntry(n);
      z.write(e.getValue());
      z.closeEntry();
    }
    z.close();
  }
}
