package zone

import (
	"reflect"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// TestGroupKeyTellsServicesApart changes each field of a service, and of what
// is in it: services that may answer in different ways are in no group together.
func TestGroupKeyTellsServicesApart(t *testing.T) {
	service := func() config.Service {
		return config.Service{
			Name: "www.example.com.", Policy: "p", Pools: []config.Choice{{Pool: "a", Weight: 1}, {Policy: "b", Weight: 1}}, TTL: time.Minute, TTLMin: time.Second, Moves: 6,
			Ramp: &config.Ramp{Steps: []float64{0.1, 1}, Every: time.Minute, On: config.RampBoth},
		}
	}
	want := GroupKey(service())
	vary := func(what string, at func(*config.Service) reflect.Value) {
		typ := at(new(service())).Type()
		for i := range typ.NumField() {
			field := typ.Field(i).Name
			s := service()
			v := at(&s).Field(i)
			switch v.Kind() {
			case reflect.String:
				v.SetString(v.String() + "x")
			case reflect.Int, reflect.Int64:
				v.SetInt(v.Int() + 1)
			case reflect.Bool:
				v.SetBool(!v.Bool())
			default:
				v.SetZero() // lists, and what is pointed to
			}
			alike := what == "service" && (field == "Name" || field == "Alias") // Alias follows from the others
			if got := GroupKey(s); (got == want) != alike {
				t.Errorf("another %s of the %s: the same group: %v", field, what, got == want)
			}
		}
	}
	vary("service", func(s *config.Service) reflect.Value { return reflect.ValueOf(s).Elem() })
	vary("choice", func(s *config.Service) reflect.Value { return reflect.ValueOf(&s.Pools[1]).Elem() })
	vary("ramp", func(s *config.Service) reflect.Value { return reflect.ValueOf(s.Ramp).Elem() })
}
