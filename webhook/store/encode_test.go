package store

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// What is written by hand is what encoding/json writes, byte for byte, whatever an alert says.
func TestAlertsAreWrittenAsByReflection(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	texts := []string{"", "plain", "a \"quoted\" \\ text", "<b>&amp;</b>", "磁盘已满", "\u2028\u2029", "bad \xff\xfe utf", "\x00\x1f\x7f\t\n", "HighLatency", "p99 of host 12 is above 500 ms"}
	word := func() string { return texts[rnd.IntN(len(texts))] }
	when := func() time.Time {
		switch rnd.IntN(8) {
		case 0:
			return time.Time{}
		case 1:
			return time.Date(12_000-rnd.IntN(2)*6_000, 1, 1, 0, 0, 0, 0, time.UTC) // a year that JSON refuses, or not
		case 2:
			return time.Now().In(time.FixedZone("east", 8*3600))
		}
		return time.UnixMicro(rnd.Int64N(4e15)).UTC()
	}
	labels := func() alert.Labels {
		l := alert.Labels{}
		for range rnd.IntN(5) {
			l[word()] = word()
		}
		if len(l) == 0 && rnd.IntN(3) == 0 {
			return nil
		}
		return l
	}
	quick := 0
	for range 20_000 {
		a := alert.Alert{Status: alert.Status(word()), Labels: labels(), Annotations: labels(), StartsAt: when(), EndsAt: when(), GeneratorURL: word(), Fingerprint: word()}
		n := cases.AlertNoise{
			Grade: policy.Grade(rnd.IntN(4)), GradeReason: policy.Reason(word()), FlappingSince: when(), Held: rnd.IntN(2) == 0,
			Joined: cases.Membership{How: word(), Evidence: word(), With: word(), At: when(), From: word()},
		}
		if rnd.IntN(4) == 0 {
			n.Joined = cases.Membership{}
		}
		for range rnd.IntN(4) {
			n.Spans = append(n.Spans, cases.Span{From: when(), To: when()})
		}
		if rnd.IntN(8) == 0 {
			n.Owed, a.SilenceURL, a.Cut = &n.Grade, word(), []alert.Cut{{Field: word(), Bytes: 9}}
		}
		for what, of := range map[string]struct {
			v  any
			by func() (string, error)
		}{"an alert": {a, func() (string, error) { return lastJSON(a) }}, "its noise": {n, func() (string, error) { return noiseJSON(n) }}} {
			want, wantErr := structure(of.v)
			got, err := of.by()
			if got != want || (err == nil) != (wantErr == nil) {
				t.Fatalf("%s: got %s, %v\nwant %s, %v", what, got, err, want, wantErr)
			}
			if err == nil {
				quick++
			}
		}
	}
	if quick == 0 {
		t.Error("nothing was written")
	}
}

// A field that is added to an alert one day is written too: each alone is as encoding/json writes it.
func TestEveryFieldOfAnAlertIsWritten(t *testing.T) {
	t.Parallel()
	for field, one := range alone(reflect.TypeFor[alert.Alert]()) {
		a := one.Interface().(alert.Alert)
		want, _ := structure(a)
		if got, err := lastJSON(a); err != nil || got != want {
			t.Errorf("Alert.%s: got %s, %v, want %s", field, got, err, want)
		}
	}
	for field, one := range alone(reflect.TypeFor[cases.AlertNoise]()) {
		n := one.Interface().(cases.AlertNoise)
		want, _ := structure(n)
		if got, err := noiseJSON(n); err != nil || got != want {
			t.Errorf("AlertNoise.%s: got %s, %v, want %s", field, got, err, want)
		}
	}
}

// alone gives values of a struct of which one field is not zero, by the path of that field.
func alone(of reflect.Type) map[string]reflect.Value {
	out := map[string]reflect.Value{}
	for _, f := range reflect.VisibleFields(of) {
		if !f.IsExported() || len(f.Index) > 1 {
			continue
		}
		for path, value := range filled(f.Type) {
			one := reflect.New(of).Elem()
			one.FieldByIndex(f.Index).Set(value)
			out[f.Name+path] = one
		}
	}
	return out
}

// filled gives values of a type that are not zero: of a struct one for each of its fields.
func filled(of reflect.Type) map[string]reflect.Value {
	if of == reflect.TypeFor[time.Time]() {
		return map[string]reflect.Value{"": reflect.ValueOf(time.UnixMicro(1_700_000_000_000_000).UTC())}
	}
	switch of.Kind() {
	case reflect.Struct:
		return alone(of)
	case reflect.Slice:
		out := map[string]reflect.Value{}
		for path, value := range filled(of.Elem()) {
			out["[]"+path] = reflect.Append(reflect.Zero(of), value)
		}
		return out
	case reflect.Map:
		one := reflect.MakeMap(of)
		for _, key := range filled(of.Key()) {
			for _, value := range filled(of.Elem()) {
				one.SetMapIndex(key, value)
			}
		}
		return map[string]reflect.Value{"": one}
	case reflect.Pointer:
		out := map[string]reflect.Value{}
		for path, value := range filled(of.Elem()) {
			one := reflect.New(of.Elem())
			one.Elem().Set(value)
			out["*"+path] = one
		}
		return out
	}
	one := reflect.New(of).Elem()
	switch {
	case one.CanInt():
		one.SetInt(1)
	case one.CanUint():
		one.SetUint(1)
	case one.CanFloat():
		one.SetFloat(1)
	case of.Kind() == reflect.Bool:
		one.SetBool(true)
	case of.Kind() == reflect.String:
		one.SetString("x")
	}
	return map[string]reflect.Value{"": one}
}

func BenchmarkAlertRow(b *testing.B) {
	now := time.Now().UTC()
	a := cases.Alert{
		Last: alert.Alert{
			Status: alert.Firing, Labels: alert.Labels{"alertname": "HighLatency", "instance": "host-12", "job": "node", "severity": "warning", "team": "infra"},
			Annotations: alert.Labels{"summary": "p99 of host 12 is above 500 ms"}, StartsAt: now, Fingerprint: "0123456789abcdef", GeneratorURL: "http://prometheus:9090/graph",
		},
		AlertNoise: cases.AlertNoise{
			GradeReason: `severity="warning"`, Spans: []cases.Span{{From: now}},
			Joined: cases.Membership{How: "similar", Evidence: "it says the same as prod/0123456789abcdef, but for numbers and addresses", At: now},
		},
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := alertRow(a); err != nil {
			b.Fatal(err)
		}
	}
}
