package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// filled sets every field of a message, and of those in it, to something that is not nothing.
func filled(v reflect.Value) reflect.Value {
	for i := range v.Elem().NumField() {
		f := v.Elem().Field(i)
		switch {
		case !f.CanSet():
		case f.Kind() == reflect.String:
			f.SetString(v.Elem().Type().Field(i).Name)
		case f.CanInt():
			f.SetInt(1_780_000_000_000_000)
		case f.CanUint():
			f.SetUint(7)
		case f.Kind() == reflect.Bool:
			f.SetBool(true)
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Pointer:
			f.Set(reflect.Append(f, filled(reflect.New(f.Type().Elem().Elem()))))
		}
	}
	return v
}

// TestReportHasEveryFieldThatItsHelpNames, with what the node said.
func TestReportHasEveryFieldThatItsHelpNames(t *testing.T) {
	var out bytes.Buffer
	if err := emitTo(&out, reportJSON(filled(reflect.ValueOf(new(admin.ReportReply))).Interface().(*admin.ReportReply))); err != nil {
		t.Fatal(err)
	}
	var said map[string]any
	if err := json.Unmarshal(out.Bytes(), &said); err != nil {
		t.Fatal(err)
	}
	_, fields, _ := strings.Cut(strings.Join(strings.Fields((&app{}).reportCommand().Long), " "), "JSON: ")
	checked := 0
	has := func(where string, in map[string]any, names string) {
		for name := range strings.SplitSeq(names, ",") {
			if name = strings.Trim(name, " ."); name == "" {
				continue
			}
			checked++
			if v := in[name]; v == nil || reflect.ValueOf(v).IsZero() {
				t.Errorf("%s%s is %v", where, name, v)
			}
		}
	}
	lists := regexp.MustCompile(`(\w+) \(([^()]*)\)`)
	for _, l := range lists.FindAllStringSubmatch(fields, -1) {
		one := func(in map[string]any, name string) map[string]any {
			list, _ := in[name].([]any)
			if len(list) != 1 {
				t.Fatalf("%s: %v", name, in[name])
			}
			return list[0].(map[string]any)
		}
		names, within, nested := strings.Cut(l[2], "reviews:")
		has(l[1]+".", one(said, l[1]), names)
		if nested {
			has(l[1]+".reviews.", one(one(said, l[1]), "reviews"), within)
		}
	}
	has("", said, lists.ReplaceAllString(fields, "$1"))
	if checked < 35 {
		t.Errorf("%d fields were found in %q", checked, fields)
	}
}
