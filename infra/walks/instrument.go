// Package walks tells which of the project's files one request enters, in order, and how often its way comes back to
// a file that it had left: what somebody sees who follows the request with a debugger and steps into everything.
//
// The program is built from changed copies of its sources, in which every function begins with a note that it was
// entered. It promises that a count doesn't depend on the machine: what other goroutines do meanwhile is not part of
// a walk.
package walks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Instrument writes changed copies of the project's sources into a folder, and returns the file that `go build
// -overlay` takes.
func Instrument(root, folder string) (overlay string, err error) {
	replaced := struct{ Replace map[string]string }{map[string]string{}}
	err = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (file != root && strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata" ||
			file == filepath.Join(root, "infra", "walks")):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		copied := filepath.Join(folder, fmt.Sprintf("%d.go", len(replaced.Replace)))
		if source, err = noted(file, source); err != nil {
			return err
		}
		replaced.Replace[file] = copied
		return os.WriteFile(copied, source, 0o600)
	})
	if err != nil {
		return "", err
	}
	list, err := json.Marshal(replaced)
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(folder, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o600)
}

// noted puts a note at the beginning of every function. Lines stay where they are.
func noted(file string, source []byte) ([]byte, error) {
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	begins := map[int]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		var body *ast.BlockStmt
		note := " walkentered.In();"
		switch f := n.(type) {
		case *ast.FuncDecl:
			if body = f.Body; parsed.Name.Name == "main" && f.Name.Name == "main" {
				note = " walkentered.Serve();"
			}
		case *ast.FuncLit:
			body = f.Body
		}
		if body != nil {
			begins[set.Position(body.Lbrace).Offset+1] = note
		}
		return true
	})
	if len(begins) == 0 {
		return source, nil
	}
	var out bytes.Buffer
	named := set.Position(parsed.Name.End()).Offset
	out.Write(source[:named])
	out.WriteString(`; import walkentered "binnacle/infra/walks/entered"`)
	from := named
	for _, begin := range slices.Sorted(maps.Keys(begins)) {
		out.Write(source[from:begin])
		out.WriteString(begins[begin])
		from = begin
	}
	out.Write(source[from:])
	return out.Bytes(), nil
}
