package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// rooms says which rooms a room may know. docs/architecture.md draws the same picture.
var rooms = map[string][]string{
	".":           {"infra"},
	"infra":       {"infra", "functions", "readapi", "projections", "events"},
	"functions":   {"functions", "projections", "events"},
	"readapi":     {"readapi", "projections", "events"},
	"projections": {"projections", "events"},
	"events":      {"events"},
}

// workshops says which rooms of infra a room of infra may know. The commands (infra itself), its tools and tests may
// know all.
var workshops = map[string][]string{
	"infra/terminal": nil,
	"infra/parts":    nil,
	"infra/load":     {"infra/terminal"},
	"infra/clients":  {"infra/servers", "infra/terminal"},
	"infra/node":     {"infra/terminal", "infra/parts"},
	"infra/bench": {"infra/terminal", "infra/parts", "infra/load", "infra/generate", "infra/indexbench",
		"infra/sample"},
}

// catalog says which rooms of the catalog a room of it may know. The catalog itself may know all.
var catalog = map[string][]string{
	"projections/catalog/literal":   nil,
	"projections/catalog/fhirpath":  nil,
	"projections/catalog/r4":        nil,
	"projections/catalog/parameter": {"projections/catalog/r4"},
	"projections/catalog/extract": {"projections/catalog/literal", "projections/catalog/fhirpath",
		"projections/catalog/r4",
		"projections/catalog/parameter"},
}

// engine says which rooms of the index a room of it may know: what stands above it alone.
var engine = map[string][]string{
	"projections/index/keys":  nil,
	"projections/index/sql":   {"projections/index/keys"},
	"projections/index/rows":  {"projections/index/keys"},
	"projections/index/reads": {"projections/index/keys", "projections/index/sql", "projections/index/rows"},
	"projections/index/sets":  {"projections/index/keys", "projections/index/sql"},
	"projections/index/clause": {"projections/index/keys", "projections/index/sql", "projections/index/rows",
		"projections/index/sets"},
	"projections/index/step": {"projections/index/keys", "projections/index/sql", "projections/index/rows",
		"projections/index/sets", "projections/index/clause"},
	"projections/index/search": {"projections/index/keys", "projections/index/sql", "projections/index/rows",
		"projections/index/sets", "projections/index/clause", "projections/index/step"},
	"projections/index/current": nil,
}

// drivers are imported by infra/parts/drivers.go and by tests alone.
var drivers = []string{
	"binnacle/events/memory", "binnacle/events/sqlite", "binnacle/events/kafka",
	"binnacle/projections/blobs/memory", "binnacle/projections/blobs/sqlite", "binnacle/projections/blobs/cassandra",
	"binnacle/projections/index/sqlite", "binnacle/projections/index/postgres",
}

// homes says where a third-party client may show, tests included.
var homes = map[string][]string{
	"github.com/IBM/sarama":                    {"events/kafka"},
	"github.com/ThreeDotsLabs/watermill-kafka": {"events/kafka"},
	"github.com/gocql/gocql":                   {"projections/blobs/cassandra"},
	"github.com/jackc/pgx":                     {"projections/index/postgres"},
	"github.com/gin-gonic/gin":                 {"readapi"},
	"modernc.org/sqlite":                       {"events/sqlitefile"},
	"github.com/alecthomas/kong":               {"infra"},
	"github.com/schollz/progressbar":           {"infra"},
	"github.com/HdrHistogram/hdrhistogram-go":  {"infra"},
	"github.com/fxamacker/cbor":                {"events", "projections/index/rows"},
	"github.com/prometheus/client_golang":      {"infra", "readapi"},
	"github.com/maypok86/otter": {"projections/blobs/cache", "projections/index/current",
		"functions/project", "functions/rebuild"},
	"github.com/ThreeDotsLabs/watermill/components": {},
	"github.com/anishathalye/porcupine":             {"infra/e2e"},
	"github.com/evanphx/json-patch":                 {"projections/fhir/patch"},
	"github.com/santhosh-tekuri/jsonschema":         {"infra/node"},
	"github.com/Shopify/toxiproxy":                  {"infra/e2e"},
}

// strangers are tests that do to a server what a foreign program does to it, with a client of their own.
var strangers = map[string]string{
	"infra/topic_test.go":               "github.com/IBM/sarama",
	"infra/e2e/postgres_faults_test.go": "github.com/jackc/pgx",
}

// goFiles visits the parsed Go files of the project with their folder, "." for the top.
func goFiles(t *testing.T, visit func(folder, file string, parsed *ast.File)) {
	t.Helper()
	set := token.NewFileSet()
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && file != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(file, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		visit(path.Dir(filepath.ToSlash(file)), filepath.ToSlash(file), parsed)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func imports(parsed *ast.File) (list []string) {
	for _, spec := range parsed.Imports {
		list = append(list, strings.Trim(spec.Path.Value, `"`))
	}
	return list
}

func room(folder string) string { return strings.SplitN(folder, "/", 2)[0] }

func TestRoomsKnowOnlyTheRoomsTheyMay(t *testing.T) {
	checked := 0
	goFiles(t, func(folder, file string, parsed *ast.File) {
		allowed, known := rooms[room(folder)]
		if !known {
			t.Errorf("%s lies in no room of the map", file)
		}
		for _, imported := range imports(parsed) {
			inside, ours := strings.CutPrefix(imported, "binnacle/")
			if !ours {
				continue
			}
			checked++
			if strings.HasSuffix(file, "_test.go") && imported == "binnacle/infra/servers" {
				continue // the tests of a driver may stop and start a real server of their own
			}
			if !slices.Contains(allowed, room(inside)) {
				t.Errorf("%s imports %s: %s may know %v only", file, imported, room(folder), allowed)
			}
		}
	})
	if checked == 0 {
		t.Error("no import of ours was seen: the test looks in the wrong place")
	}
}

func TestRoomsOfInfraKnowOnlyTheRoomsTheyMay(t *testing.T) { holdRooms(t, "infra", workshops) }

func TestRoomsOfTheCatalogKnowOnlyTheRoomsTheyMay(t *testing.T) {
	holdRooms(t, "projections/catalog", catalog)
}

func TestRoomsOfTheIndexKnowOnlyTheRoomsTheyMay(t *testing.T) {
	holdRooms(t, "projections/index", engine)
}

// holdRooms holds which other rooms of a house each of its rooms may know.
func holdRooms(t *testing.T, house string, rooms map[string][]string) {
	t.Helper()
	seen := map[string]bool{}
	goFiles(t, func(folder, file string, parsed *ast.File) {
		allowed, held := rooms[folder]
		if !held {
			return
		}
		seen[folder] = true
		for _, imported := range imports(parsed) {
			inside, ours := strings.CutPrefix(imported, "binnacle/")
			if !ours || inside == folder || inside != house && !strings.HasPrefix(inside, house+"/") {
				continue
			}
			if !slices.Contains(allowed, inside) {
				t.Errorf("%s imports %s: %s may know %v only", file, imported, folder, allowed)
			}
		}
	})
	if len(seen) != len(rooms) {
		t.Errorf("of the rooms of %s that are held, only %v were seen", house, seen)
	}
}

func TestDriversAreKnownToOneFileAndToTests(t *testing.T) {
	seen := map[string]bool{}
	goFiles(t, func(folder, file string, parsed *ast.File) {
		for _, imported := range imports(parsed) {
			if !slices.Contains(drivers, imported) {
				continue
			}
			if file == "infra/parts/drivers.go" {
				seen[imported] = true
			} else if !isTest(folder, file) {
				t.Errorf("%s imports the driver %s: only infra/parts/drivers.go and tests may", file, imported)
			} else if slices.Contains(drivers, "binnacle/"+folder) && imported != "binnacle/"+folder {
				t.Errorf("%s imports the driver %s: no driver knows another", file, imported)
			}
		}
	})
	for _, driver := range drivers {
		if !seen[driver] {
			t.Errorf("infra/parts/drivers.go doesn't import %s: the list of drivers in this test is not true", driver)
		}
	}
}

// contractMethods is how many methods of its own a contract has at the most; larger ones are made of slices, by who
// uses them.
const contractMethods = 6

func TestContractsAreMadeOfSmallSlices(t *testing.T) {
	seen := 0
	goFiles(t, func(folder, file string, parsed *ast.File) {
		if folder != "events" && folder != "projections" || strings.HasSuffix(file, "_test.go") {
			return
		}
		for node := range ast.Preorder(parsed) {
			spec, is := node.(*ast.TypeSpec)
			if !is {
				continue
			}
			contract, is := spec.Type.(*ast.InterfaceType)
			if !is {
				continue
			}
			seen++
			own := 0
			for _, method := range contract.Methods.List {
				own += len(method.Names)
			}
			if own > contractMethods {
				t.Errorf("%s: %s has %d methods, and %d are allowed: make slices of it by who uses them", file,
					spec.Name.Name, own, contractMethods)
			}
		}
	})
	if seen == 0 {
		t.Error("no contract was seen: the test looks in the wrong place")
	}
}

func TestThirdPartyClientsShowInOneRoom(t *testing.T) {
	goFiles(t, func(folder, file string, parsed *ast.File) {
		for _, imported := range imports(parsed) {
			for client, allowed := range homes {
				if imported != client && !strings.HasPrefix(imported, client+"/") {
					continue
				}
				home := slices.ContainsFunc(allowed, func(a string) bool {
					return folder == a || strings.HasPrefix(folder, a+"/")
				})
				if !home && strangers[file] != client {
					t.Errorf("%s imports %s, which may show in %v only", file, imported, allowed)
				}
			}
		}
	})
}

// speakers are the rooms of the three lower floors that may speak HTTP.
var speakers = []string{"events/fhir/rest", "functions/door", "functions/jobs"}

func TestBelowTheOuterDoorThreeRoomsSpeakHTTP(t *testing.T) {
	goFiles(t, func(folder, file string, parsed *ast.File) {
		if !slices.Contains([]string{"events", "projections", "functions"}, room(folder)) ||
			slices.Contains(speakers, folder) ||
			room(folder) == "functions" && isTest(folder, file) {
			return
		}
		for _, imported := range imports(parsed) {
			if imported == "net/http" || strings.HasPrefix(imported, "net/http/") ||
				slices.Contains(speakers, strings.TrimPrefix(imported, "binnacle/")) {
				t.Errorf("%s imports %s: HTTP is spoken in %v and in the reading doors", file, imported, speakers)
			}
		}
	})
}

// siblings are the folders of functions that a folder of functions may know: a rebuild decides with the projector's own
// code.
var siblings = map[string][]string{
	"functions/rebuild": {"functions/project"},
}

// TestFunctionsKnowNoSibling: a folder of functions stands on the small verbs beside it, which know none of the
// folders.
func TestFunctionsKnowNoSibling(t *testing.T) {
	goFiles(t, func(folder, file string, parsed *ast.File) {
		if room(folder) != "functions" || isTest(folder, file) {
			return
		}
		for _, imported := range imports(parsed) {
			inside, ours := strings.CutPrefix(imported, "binnacle/")
			if ours && strings.HasPrefix(inside, "functions/") && inside != folder &&
				!slices.Contains(siblings[folder], inside) {
				t.Errorf("%s imports %s: functions know no sibling, %s knows %v", file, imported, folder,
					siblings[folder])
			}
		}
	})
}

// packageLines is how many lines of code a package has at the most: what one can read in an afternoon. Tests don't
// count, nor do the suites that drivers share.
const packageLines = 3000

// fileLines is how long a file is at the most, tests included.
const fileLines = 500

// columns is how wide a comment is at the most, with a tab for four.
const columns = 120

// suites are packages of tests for other packages.
var suites = []string{"events/eventstest", "projections/projectionstest", "functions/functionstest"}

// isTest tells whether a file is for tests alone.
func isTest(folder, file string) bool {
	return strings.HasSuffix(file, "_test.go") || slices.Contains(suites, folder)
}

func TestPackagesFilesAndCommentsCanBeRead(t *testing.T) {
	lines := map[string]int{}
	goFiles(t, func(folder, file string, _ *ast.File) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		length := bytes.Count(text, []byte("\n"))
		if length > fileLines {
			t.Errorf("%s has %d lines, and %d are allowed: make files of it, each of one thing", file, length, fileLines)
		}
		if !isTest(folder, file) {
			lines[folder] += length
		}
		for at, line := range strings.Split(string(text), "\n") {
			line = strings.ReplaceAll(line, "\t", "    ")
			if strings.HasPrefix(strings.TrimSpace(line), "//") && utf8.RuneCountInString(line) > columns {
				t.Errorf("%s:%d: a comment has more than %d columns", file, at+1, columns)
			}
		}
	})
	for folder, length := range lines {
		if length > packageLines {
			t.Errorf("%s has %d lines, and %d are allowed: make rooms of it", folder, length, packageLines)
		}
	}
	if len(lines) == 0 {
		t.Error("no file was seen: the test looks in the wrong place")
	}
}

// speakFHIR are the rooms of functions and projections that know what is in a content of FHIR. The others ask its
// dialect.
var speakFHIR = []string{"functions/door", "functions/jobs", "functions/functionstest", "projections/fhir", "projections/catalog"}

func TestWhatContentsMeanIsAskedOfADialect(t *testing.T) {
	seen := 0
	under := func(folder string, rooms ...string) bool {
		return slices.ContainsFunc(rooms, func(room string) bool {
			return folder == room || strings.HasPrefix(folder, room+"/")
		})
	}
	goFiles(t, func(folder, file string, parsed *ast.File) {
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		for _, imported := range imports(parsed) {
			inside, ours := strings.CutPrefix(imported, "binnacle/")
			if !ours || !under(inside, "events/fhir", "projections/fhir", "projections/catalog") {
				continue
			}
			seen++
			if slices.Contains([]string{"functions", "projections"}, room(folder)) && !under(folder, speakFHIR...) {
				t.Errorf("%s imports %s: what a content means is asked of its dialect; FHIR is known in %v", file,
					imported, speakFHIR)
			}
			if inside == "projections/fhir" && !under(folder, "infra", "functions/functionstest") {
				t.Errorf("%s imports %s: infra puts the dialects together, and the others are handed them", file,
					imported)
			}
		}
	})
	if seen == 0 {
		t.Error("nobody knows FHIR: the test looks in the wrong place")
	}
}

func TestThereAreNoInitFunctionsAndNoCatchAllPackages(t *testing.T) {
	goFiles(t, func(folder, file string, parsed *ast.File) {
		if slices.Contains([]string{"util", "utils", "common", "models", "helpers"}, parsed.Name.Name) {
			t.Errorf("%s: the package name %s says nothing", file, parsed.Name.Name)
		}
		for _, declaration := range parsed.Decls {
			if function, ok := declaration.(*ast.FuncDecl); ok && function.Recv == nil && function.Name.Name == "init" {
				t.Errorf("%s has an init function: wire it in infra", file)
			}
		}
	})
}
