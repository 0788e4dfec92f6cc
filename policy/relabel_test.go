package policy

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// relabelledAs is a number of ordinary letters of RYJ that become as change makes them.
func relabelledAs(count int, change func(d *Document)) Relabelled {
	d := Document{ID: federation.NewDocumentID("RYJ", federation.DocumentKey{7}), Custodian: "RYJ", Subject: federation.Subject{1}, Type: "373942005", Confidentiality: federation.Normal, Date: relabelNow}
	x := Relabelled{Before: Labelled{d, d}, Facts: Facts{Complete: true}, Count: count}
	change(&d)
	x.After = Labelled{d, d}
	return x
}

var relabelNow = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

func TestRelabelSaysWhoLosesAndGains(t *testing.T) {
	agreement, err := Compile(DefaultAgreement("RYJ"))
	if err != nil {
		t.Fatal(err)
	}
	restricted := func(d *Document) { d.Confidentiality = federation.Restricted }
	got, err := Relabel(t.Context(), "RYJ", relabelNow, agreement, []Relabelled{
		relabelledAs(10, restricted), relabelledAs(3, func(d *Document) { d.LegalClass = "HFEA" }), relabelledAs(5, func(*Document) {}),
	})
	if err != nil {
		t.Fatal(err)
	}
	// By confidentiality R the staff of others lose sight, and own clinicians do not; by the law all do.
	if got.Cases != 18 || got.Lost.Total != 13 || got.Gained.Total != 0 || got.Lost.Trust[string(OtherTrust)] != 13 || got.Lost.Trust["RYJ"] != 3 ||
		got.Lost.Role["nurse"] != 13 || got.Lost.Role["records-staff"] != 3 || got.Lost.Role["researcher"] != 0 || got.Lost.Action[actionGlass] != 3 {
		t.Errorf("got %+v", got)
	}
	if len(got.Examples) == 0 || got.Examples[0].Gained || got.Examples[0].Count < 3 {
		t.Errorf("examples: %v", got.Examples)
	}
	very := relabelledAs(10, func(d *Document) { d.Confidentiality = federation.VeryRestricted })
	restricted(&very.Before.Held)
	restricted(&very.Before.Listed)
	if got, err := Relabel(t.Context(), "RYJ", relabelNow, agreement, []Relabelled{very}); err != nil || got.Lost.Action[actionGlass] != 10 || got.Lost.Role["records-staff"] != 10 {
		t.Errorf("V may not even be opened in an emergency: %+v, %v", got.Lost, err)
	}
	// The other way round the same is gained.
	back := relabelledAs(10, restricted)
	back.Before, back.After = back.After, back.Before
	undone, err := Relabel(t.Context(), "RYJ", relabelNow, agreement, []Relabelled{back})
	if err != nil || undone.Gained.Total != 10 || undone.Lost.Total != 0 || undone.Gained.Role["nurse"] != 10 {
		t.Errorf("got %+v, %v", undone, err)
	}
}

func TestRelabelTakesWhatPatientsHaveSaid(t *testing.T) {
	agreement, err := Compile(DefaultAgreement("RYJ"))
	if err != nil {
		t.Fatal(err)
	}
	hidden := relabelledAs(4, func(d *Document) { d.Sensitivity = []string{"HIV"} })
	hidden.Facts.Directives = []Directive{{ID: federation.DirectiveID{1}, Effect: federation.Object, Version: 2, By: "RYJ", Scope: federation.Scope{Sensitivity: "HIV", Trust: "RAS"}}}
	got, err := Relabel(t.Context(), "RYJ", relabelNow, agreement, []Relabelled{hidden})
	if err != nil || got.Lost.Total != 4 || got.Lost.Trust["RAS"] != 4 || got.Lost.Trust[string(OtherTrust)] != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	if nobody, err := Relabel(t.Context(), "RYJ", relabelNow, nil, []Relabelled{hidden}); err != nil || nobody.Lost.Total+nobody.Gained.Total != 0 {
		t.Errorf("without an agreement nobody had anything: %+v, %v", nobody, err)
	}
}

func TestRelabelDoesNotDependOnHowWorkIsShared(t *testing.T) {
	agreement, err := Compile(DefaultAgreement("RYJ"))
	if err != nil {
		t.Fatal(err)
	}
	var all []Relabelled
	for i := range 40 {
		all = append(all, relabelledAs(i, func(d *Document) {
			d.Type, d.Confidentiality = fmt.Sprint("t", i%3), federation.Confidentiality(1+i%6)
		}))
	}
	first, err := Relabel(t.Context(), "RYJ", relabelNow, agreement, all)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if again, err := Relabel(t.Context(), "RYJ", relabelNow, agreement, all); err != nil || !reflect.DeepEqual(first, again) {
			t.Fatalf("got %+v, %v, want %+v", again, err, first)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Relabel(ctx, "RYJ", relabelNow, agreement, all); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

func TestLabelsAreReadInAnyCase(t *testing.T) {
	for text, want := range map[string]string{"hiv": "HIV", " MH ": "MH", "x": "", "": ""} {
		if got, err := ReadLabel(text); got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, ErrLabel) {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{"hfea": "HFEA", "Adoption": "ADOPTION", "HIV": ""} {
		if got, err := ReadLegalClass(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}
