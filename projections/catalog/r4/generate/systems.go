package main

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
)

type binding struct {
	Strength value `xml:"strength"`
	ValueSet value `xml:"valueSet"`
}

type valueSet struct {
	URL      value `xml:"url"`
	Includes []struct {
		System    value   `xml:"system"`
		ValueSets []value `xml:"valueSet"`
	} `xml:"compose>include"`
}

// valueSets reads the value sets of R4, by URL.
func valueSets(archive *zip.ReadCloser) (map[string]*valueSet, error) {
	sets := map[string]*valueSet{}
	for _, name := range []string{"valueset/valuesets.xml", "valueset/v3-codesystems.xml", "valueset/v2-tables.xml"} {
		data, err := read(archive, name)
		if err != nil {
			return nil, err
		}
		var b struct {
			Sets []*valueSet `xml:"entry>resource>ValueSet"`
		}
		if err := xml.Unmarshal(data, &b); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, set := range b.Sets {
			sets[set.URL.Value] = set
		}
	}
	return sets, nil
}

// systemsOf returns the code systems that a value set draws from, sorted; nil when the definitions do not tell them
// all.
func systemsOf(sets map[string]*valueSet, url string) []string {
	url, _, _ = strings.Cut(url, "|")
	set := sets[url]
	if set == nil {
		return nil
	}
	var systems []string
	for _, include := range set.Includes {
		if include.System.Value != "" {
			systems = append(systems, include.System.Value)
			continue
		}
		for _, other := range include.ValueSets {
			more := systemsOf(sets, other.Value)
			if more == nil {
				return nil
			}
			systems = append(systems, more...)
		}
	}
	slices.Sort(systems)
	return slices.Compact(systems)
}

// writeSystems writes a line "path system …" for each code whose value set must be kept to, and whose systems the
// definitions tell.
func (s *structure) writeSystems(w *bytes.Buffer, sets map[string]*valueSet) {
	for _, e := range s.Elements {
		if len(e.Types) != 1 || e.Types[0].Code.Value != "code" || e.Binding.Strength.Value != "required" {
			continue
		}
		if systems := systemsOf(sets, e.Binding.ValueSet.Value); systems != nil {
			fmt.Fprintf(w, "%s %s\n", e.Path.Value, strings.Join(systems, " "))
		}
	}
}
