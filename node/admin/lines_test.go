package admin

import (
	"os/exec"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
)

// TestEveryTextOfARequestIsOneLine tries what is no line in fields at every depth.
func TestEveryTextOfARequestIsOneLine(t *testing.T) {
	for _, bad := range []string{"a\nb", "a\x1b[31mb", "a\u202eb", "a\u009bb", "a\xffb", strings.Repeat("x", MaxLine+1)} {
		for name, m := range map[string]proto.Message{
			"reason":            &BreakGlassRequest{Reason: bad},
			"evidence":          &RecordDirectiveRequest{Evidence: bad},
			"note of a review":  &CloseReviewRequest{Note: bad},
			"note of rules":     &ProposeAgreementRequest{Note: bad},
			"who asks":          &LocateRequest{Asker: &Asker{User: bad}},
			"scope":             &RecordDirectiveRequest{Scope: &DirectiveScope{Person: bad}},
			"exception":         &RecordDirectiveRequest{Except: []*DirectiveScope{{}, {Role: bad}}},
			"one of several":    &RelabelRequest{Add: []string{"HIV", bad}},
			"reason of a mark":  &ProtectRequest{Reason: bad},
			"of a withdrawal":   &WithdrawRequest{Reason: bad},
			"of a suspension":   &SuspendRequest{Reason: bad},
			"of staff":          &SuspendUserRequest{Reason: bad},
			"of an erasure":     &EraseRequest{Reason: bad},
			"of what is lost":   &AcceptAuditRequest{Reason: bad},
			"name of a trust":   &InviteRequest{Name: bad},
			"purpose of a list": &SearchAuditRequest{Asker: &Asker{Purpose: bad}},
		} {
			if err := checkRequest(m); CodeOf(err) != CodeBadInput {
				t.Errorf("%s, %.20q: %v", name, bad, err)
			}
		}
	}
	for name, m := range map[string]proto.Message{
		"plain": &BreakGlassRequest{Reason: "collapsed at home, allergies unknown – “urgent”", Asker: &Asker{User: "drsiân"}},
		"rules": &CheckAgreementRequest{Text: &AgreementText{Form: "version: 1\nblocks:\n\t- x\n" + strings.Repeat("#", MaxLine)}},
		"empty": &StatusRequest{}, "none": nil,
	} {
		if err := checkRequest(m); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestArgumentsComeOutOfAShellAsTheyWere has a shell read them.
func TestArgumentsComeOutOfAShellAsTheyWere(t *testing.T) {
	for text, want := range map[string]string{
		"d1": "d1", "/srv/ridgeway/d-1": "/srv/ridgeway/d-1", "my data": `"my data"`, "": `""`, "King's": `"King's"`, "a$b's": `'a$b'\''s'`,
		"a;b": `"a;b"`, "~root": `"~root"`, `a\b"c`: `'a\b"c'`, "*": `"*"`, "données": "données",
	} {
		if got := Arg(text); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
		out, err := exec.Command("sh", "-c", "printf %s "+Arg(text)).Output()
		if err != nil || string(out) != text {
			t.Errorf("a shell reads %q of %q (%v)", out, text, err)
		}
	}
}
