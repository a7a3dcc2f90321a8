// Package plugin routes tenants to the shards that have their data: a table in the settings says which pool that is. The
// tenant is told by a header, or else by the first label of the host, as in acme.example.com.
package plugin

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	facts "example.com/go-tenants/bindings/imports/trimtab_plugin_pools"
	request "example.com/go-tenants/bindings/imports/trimtab_plugin_request"
	. "example.com/go-tenants/bindings/imports/trimtab_plugin_router"
	. "go.bytecodealliance.org/pkg/wit/types"
)

// Settings are those of the plugin.
type Settings struct {
	// Shards has a pool for each tenant.
	Shards map[string]string `json:"shards"`
	// Header is where the tenant is named; by default `x-tenant`.
	Header string `json:"header"`
	// Domain is that of the hosts that name a tenant, such as `example.com`; empty for any.
	Domain string `json:"domain"`
	// Strangers is the status that a tenant without a shard is refused with; 0 leaves those to the route's own pool.
	Strangers uint16 `json:"strangers"`
}

var (
	settings Settings
	shards   map[string]uint32 // of each tenant, the position of its pool
)

// Configure reads the table, in which every pool has to be one of the route's.
func Configure(text string, _ Instance, pools []string) Result[Plan, string] {
	if err := configure(text, pools); err != nil {
		return Err[Plan, string](err.Error())
	}
	return Ok[Plan, string](Plan{})
}

func configure(text string, pools []string) error {
	settings = Settings{Header: "x-tenant"}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&settings); err != nil {
		return err
	}
	if status := settings.Strangers; status != 0 && (status < 400 || status > 599) {
		return fmt.Errorf("`strangers` is %d: a refusal has a status from 400 to 599", status)
	}
	shards = make(map[string]uint32, len(settings.Shards))
	for tenant, pool := range settings.Shards {
		position := slices.Index(pools, pool)
		if position < 0 {
			return fmt.Errorf("the tenant `%s` has the pool `%s`, which is none of the route's: %s",
				tenant, pool, strings.Join(pools, ", "))
		}
		shards[strings.ToLower(tenant)] = uint32(position)
	}
	return nil
}

// Route decides for a request. A shard where no backend is ready is no reason for another one, which has not the data.
func Route(Moment) Destination {
	position, known := shards[tenant(request.Header(settings.Header), request.Host)]
	switch {
	case known && facts.Ready(position) == 0:
		return MakeDestinationRefuse(503)
	case known:
		return MakeDestinationPool(position)
	case settings.Strangers != 0:
		return MakeDestinationRefuse(settings.Strangers)
	default:
		return MakeDestinationPass()
	}
}

// The host is asked for only where it is needed.
func tenant(named Option[string], host func() string) string {
	if name := strings.TrimSpace(named.SomeOr("")); name != "" {
		return strings.ToLower(name)
	}
	label, domain, _ := strings.Cut(host(), ".")
	if settings.Domain != "" && domain != settings.Domain {
		return ""
	}
	return label
}
