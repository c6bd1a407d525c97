package generate

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"binnacle/events"
	"binnacle/events/fhir"
)

// Source is a bundle to copy from.
type Source struct {
	Name string
	Body []byte // JSON; not kept
}

// Shared is a bundle that is not copied: the patients refer to what it holds.
type Shared struct {
	Name      string
	Body      []byte // as the source had it
	Resources int
}

// Generator makes patients. It is safe for concurrent use.
type Generator struct {
	seed    uint64
	sources []source
	shared  []Shared
	decoder *zstd.Decoder
}

// Loader takes the sources one by one.
type Loader struct {
	generator *Generator
	encoder   *zstd.Encoder
}

// NewLoader returns a Loader for a generator with this seed.
func NewLoader(seed uint64) (*Loader, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, events.Wrap(events.Internal, "generate.NewLoader", err, "no compressor can be made")
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0))
	if err != nil {
		return nil, events.Wrap(events.Internal, "generate.NewLoader", err, "no decompressor can be made")
	}
	return &Loader{generator: &Generator{seed: seed, decoder: decoder}, encoder: encoder}, nil
}

// Add takes a source over. The order of the sources counts. An error is of kind Invalid and says what is wrong with it.
func (l *Loader) Add(s Source) error {
	doc, err := fhir.Parse(s.Body)
	if err != nil {
		return err
	}
	root := doc.Root()
	if root.Get("resourceType").Text() != "Bundle" {
		return events.Errorf(events.Invalid, "generate.Add", "%s is no Bundle", s.Name)
	}
	if root.Get("type").Text() != "transaction" {
		l.generator.shared = append(l.generator.shared, Shared{s.Name, bytes.Clone(s.Body), root.Get("entry").Len()})
		return nil
	}
	template, resources, err := patientTemplate(root)
	if err != nil {
		return err
	}
	if resources > 0 {
		l.generator.sources = append(l.generator.sources, source{s.Name, resources, l.encoder.EncodeAll(template, nil)})
	}
	return nil
}

// Generator returns the generator of the sources taken. It is an error, of kind Invalid, when none of them is a
// patient.
func (l *Loader) Generator() (*Generator, error) {
	if len(l.generator.sources) == 0 {
		return nil, events.Errorf(events.Invalid, "generate.Generator", "there is nothing to copy: none of the files is a transaction bundle")
	}
	return l.generator, nil
}

// Shared are the bundles that have to be loaded before any patient.
func (g *Generator) Shared() []Shared { return g.shared }

// Patient is one copy.
type Patient struct {
	Number    uint64
	Resources int

	source    *source
	generator *Generator
	mask      [16]byte
	days      int
	turn      [8]byte
	random    *rand.Rand
}

// shiftDays is by how many days at the most dates move into the past.
const shiftDays = 10 * 365

// Patient returns a patient by number, 0, 1, 2 …; making its bytes is a call of its own.
func (g *Generator) Patient(number uint64) Patient {
	random := rand.New(rand.NewPCG(g.seed, number))
	p := Patient{Number: number, generator: g, random: random, source: &g.sources[random.IntN(len(g.sources))]}
	p.Resources = p.source.resources
	binary.LittleEndian.PutUint64(p.mask[:8], random.Uint64())
	binary.LittleEndian.PutUint64(p.mask[8:], random.Uint64())
	p.mask[6] &= 0x0f // the version of the UUID stays
	p.mask[8] &= 0x3f // and its variant
	p.days = random.IntN(shiftDays)
	for i := range p.turn {
		p.turn[i] = byte(random.IntN(10))
	}
	return p
}

// template reads the patient's template. It belongs to the caller.
func (p Patient) template(into []byte) ([]byte, error) {
	text, err := p.generator.decoder.DecodeAll(p.source.compressed, into[:0])
	if err != nil {
		return nil, events.Wrap(events.Internal, "generate.Patient", err, "the source %s cannot be read back", p.source.name)
	}
	return text, nil
}

// Bundle returns the patient as a transaction of updates. It may be called once.
func (p Patient) Bundle() ([]byte, error) {
	template, err := p.template(nil)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(template)*5/4)
	p.copy(template, func(part []byte) { out = append(out, part...) }, func([]byte) {}, false)
	return out, nil
}

// Resource is a resource as a server would hold it: references to what is shared are literal ones.
type Resource struct {
	Type, ID string
	Content  []byte
}

// All returns the patient's resources. It may be called once.
func (p Patient) All() ([]Resource, error) {
	template, err := p.template(nil)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(template)*5/4)
	begins, ends := make([]int, 0, p.Resources), make([]int, 0, p.Resources)
	p.copy(template, func(part []byte) { out = append(out, part...) }, func(kind []byte) {
		if kind[0] == fieldBegin {
			begins = append(begins, len(out))
		} else {
			ends = append(ends, len(out))
		}
	}, true)
	all := make([]Resource, len(begins))
	for i := range all {
		content := out[begins[i]:ends[i]:ends[i]]
		all[i] = Resource{Content: content}
		// The wrapper of the entry names both: ,"request":{"method":"PUT","url":"Type/id"}}
		address, _, _ := strings.Cut(string(out[ends[i]+len(`,"request":{"method":"PUT","url":"`):min(len(out), ends[i]+200)]), `"`)
		all[i].Type, all[i].ID, _ = strings.Cut(address, "/")
	}
	return all, nil
}

// copy writes the template with the fields of this patient.
func (p Patient) copy(template []byte, write, boundary func([]byte), literal bool) {
	var buffer [256]byte
	for {
		at := bytes.IndexByte(template, mark)
		if at < 0 {
			write(template)
			return
		}
		write(template[:at])
		kind := template[at+1]
		template = template[at+2:]
		switch kind {
		case fieldUUID:
			write(p.id(buffer[:36], template[:16]))
			template = template[16:]
		case fieldDate:
			write(p.date(buffer[:0], template[:10]))
			template = template[10:]
		case fieldDigits, fieldFraction:
			length := int(template[0])
			text := append(buffer[:0], template[1:1+length]...)
			p.digits(text, kind)
			write(text)
			template = template[1+length:]
		case fieldShared:
			length := int(template[0])<<8 | int(template[1])
			reference := template[2 : 2+length]
			if literal {
				reference = []byte(literalReference(string(reference)))
			}
			write(reference)
			template = template[2+length:]
		default:
			boundary([]byte{kind})
		}
	}
}

// literalReference is Type/value of a reference Type?identifier=system|value. [Generator.SharedResources] have such
// ids.
func literalReference(conditional string) string {
	kind, _, _ := strings.Cut(conditional, "?")
	return kind + "/" + conditional[strings.LastIndexAny(conditional, "|=")+1:]
}

func (p Patient) id(into, id []byte) []byte {
	var masked [16]byte
	for i := range masked {
		masked[i] = id[i] ^ p.mask[i]
	}
	hex.Encode(into, masked[:4])
	into[8] = '-'
	hex.Encode(into[9:], masked[4:6])
	into[13] = '-'
	hex.Encode(into[14:], masked[6:8])
	into[18] = '-'
	hex.Encode(into[19:], masked[8:10])
	into[23] = '-'
	hex.Encode(into[24:], masked[10:])
	return into
}

// date shifts a date into the past. What is no date of the calendar stays.
func (p Patient) date(into, text []byte) []byte {
	day, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return append(into, text...)
	}
	return day.AddDate(0, 0, -p.days).AppendFormat(into, time.DateOnly)
}

func (p Patient) digits(text []byte, kind byte) {
	n := 0
	for i, c := range text {
		if c < '0' || c > '9' {
			continue
		}
		if kind == fieldFraction {
			text[i] = '0' + byte(p.random.IntN(10))
		} else {
			text[i] = '0' + (c-'0'+p.turn[n%len(p.turn)])%10
		}
		n++
	}
}

// SharedResources returns the resources of the shared bundles, each with the value of its first identifier as id, which
// is where the resources of [Patient.All] refer to.
func (g *Generator) SharedResources() ([]Resource, error) {
	var all []Resource
	for _, s := range g.shared {
		doc, err := fhir.Parse(s.Body)
		if err != nil {
			return nil, err
		}
		for entry := range doc.Root().Get("entry").Items() {
			resource := entry.Get("resource")
			r := Resource{Type: resource.Get("resourceType").Text(), ID: resource.Get("id").Text(), Content: bytes.Clone(resource.Raw())}
			for identifier := range resource.Get("identifier").Items() {
				if value := identifier.Get("value").Text(); fhir.CheckID(value) == nil {
					r.ID = strings.Clone(value)
					break
				}
			}
			all = append(all, r)
		}
	}
	return all, nil
}

// Names are the names of all sources, in their order.
func (g *Generator) Names() []string {
	var names []string
	for _, s := range g.shared {
		names = append(names, s.Name)
	}
	for _, s := range g.sources {
		names = append(names, s.name)
	}
	return names
}
