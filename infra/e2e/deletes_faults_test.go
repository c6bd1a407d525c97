//go:build faults

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A node is killed while it deletes a patient with thousands of resources: all of them go, or none.
func TestACascadeIsWholeWhenItsNodeIsKilled(t *testing.T) {
	const each = 2_000
	for _, variant := range []string{"standalone", "distributed"} {
		t.Run(variant, func(t *testing.T) {
			i := newInstallation(t, plain, variant, addresses(t, variant))
			address := freeAddress(t)
			launch := func() *node {
				n := i.launch(address, "--cascade", "10000")
				n.awaitReady(bound)
				return n
			}
			n, r := launch(), dice(t)
			for round := range 2 + rounds(t) {
				name := fmt.Sprint("p", round)
				entries := []string{fmt.Sprintf(`{"resource":{"resourceType":"Patient","id":%q},`+
					`"request":{"method":"PUT","url":"Patient/%[1]s"}}`, name)}
				for k := range each {
					entries = append(entries, fmt.Sprintf(`{"resource":{"resourceType":"Encounter","status":"finished",`+
						`"class":{"code":"AMB"},"subject":{"reference":"Patient/%s"}},"fullUrl":"urn:uuid:%d",`+
						`"request":{"method":"POST","url":"Encounter"}}`, name, k))
				}
				n.do(200, "POST", "", `{"resourceType":"Bundle","type":"transaction","entry":[`+
					strings.Join(entries, ",")+`]}`)
				answered := make(chan struct{})
				go func() {
					defer close(answered)
					_, _ = n.try("DELETE", "/Patient/"+name+"?_cascade=delete", "") // its node may be gone
				}()
				time.Sleep(time.Duration(r.IntN(200)) * time.Millisecond)
				n.kill()
				<-answered
				n = launch()
				left := total(t, n, "Encounter")
				if left == each {
					n.do(200, "DELETE", "/Patient/"+name+"?_cascade=delete", "")
					left = total(t, n, "Encounter")
				} else {
					n.do(410, "GET", "/Patient/"+name, "")
				}
				if left != 0 {
					t.Fatalf("round %d: %d of %d resources are left", round, left, each)
				}
			}
			n.stop()
			i.run("verify", "--deep")
			i.run("rebuild")
			i.run("verify", "--deep")
		})
	}
}
