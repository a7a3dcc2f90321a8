// Runs natively, without Wasm, with the bindings of the last build: `go test`.
package plugin

import (
	"strings"
	"testing"

	. "go.bytecodealliance.org/pkg/wit/types"
)

var pools = []string{"a", "b"}

func host(name string) func() string {
	return func() string { return name }
}

func TestTheHeaderNamesTheTenantAndThenTheHost(t *testing.T) {
	for _, domain := range []string{"", "example.com"} {
		if err := configure(`{ "shards": {}, "domain": "`+domain+`" }`, pools); err != nil {
			t.Fatal(err)
		}
		for _, row := range []struct {
			header Option[string]
			host   string
			tenant string
		}{
			{Some(" Acme "), "globex.example.com", "acme"},
			{Some(""), "globex.example.com", "globex"},
			{None[string](), "globex.example.com", "globex"},
			{None[string](), "", ""},
		} {
			if told := tenant(row.header, host(row.host)); told != row.tenant {
				t.Errorf("%v at %q is %q", row.header, row.host, told)
			}
		}
	}
	if told := tenant(None[string](), host("globex.example.org")); told != "" {
		t.Errorf("another domain names %q", told)
	}
}

func TestTheTableNamesPools(t *testing.T) {
	if err := configure(`{ "shards": { "Acme": "b", "globex": "a" } }`, pools); err != nil {
		t.Fatal(err)
	}
	if len(shards) != 2 || shards["acme"] != 1 || shards["globex"] != 0 {
		t.Errorf("shards are %v", shards)
	}
}

func TestSettingsThatMakeNoSenseAreRefused(t *testing.T) {
	for settings, reason := range map[string]string{
		`{ "shards": { "acme": "c" } }`: "`c`, which is none of the route's: a, b",
		`{ "strangers": 200 }`:          "`strangers` is 200",
		`{ "strangers": 99999 }`:        "cannot unmarshal",
		`{ "shard": {} }`:               "unknown field",
		`{ "shards": [] }`:              "cannot unmarshal",
	} {
		if err := configure(settings, pools); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v", settings, err)
		}
	}
}
