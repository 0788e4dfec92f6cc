package node

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/node/media"
)

func textItem(title, content string) ingest.Item {
	return ingest.Item{
		Patient: "9434765919", Type: "373942005", Title: title, Date: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Confidentiality: "N", Language: "en-GB",
		Parts: []ingest.Part{{Name: "letter.txt", Info: media.Info{ContentType: "text/plain", Pages: 1}, Size: int64(len(content)), Content: strings.NewReader(content)}},
	}
}

// collect fetches a document and returns its bytes.
func collect(t *testing.T, n *Node, q *admin.FetchRequest) ([]byte, *admin.Done, error) {
	t.Helper()
	var got bytes.Buffer
	var done *admin.Done
	err := n.Fetch(t.Context(), q, func(r *admin.FetchReply) error {
		got.Write(r.GetData())
		if r.GetDone() != nil {
			done = r.GetDone()
		}
		return nil
	})
	return got.Bytes(), done, err
}

func TestOwnStaffReadWhatWasTakenInWithoutTheRegion(t *testing.T) {
	t.Parallel()
	n := startNode(t, nil)
	receipt, err := n.Take(t.Context(), textItem("Discharge summary", "a letter"))
	if err != nil || receipt.AlreadyHeld {
		t.Fatalf("take: %v, %v", receipt, err)
	}
	again, err := n.Take(t.Context(), textItem("Discharge summary", "a letter"))
	if err != nil || !again.AlreadyHeld || again.Document != receipt.Document {
		t.Errorf("the same document again: %+v, %v, want it held as %s", again, err, receipt.Document)
	}
	eventually(t, "an agreement", func() bool {
		got, done, err := collect(t, n, &admin.FetchRequest{Document: string(receipt.Document)})
		return err == nil && done != nil && string(got) == "a letter"
	})
	got, _, err := collect(t, n, &admin.FetchRequest{Document: string(receipt.Document), Offset: 2, Length: 3})
	if err != nil || string(got) != "let" {
		t.Errorf("range: %q, %v", got, err)
	}
}

func TestBadNumbersAreRefusedWithoutNamingThem(t *testing.T) {
	t.Parallel()
	n := startNode(t, nil)
	for _, number := range []string{"9434765918", "0000000000", "12345"} {
		item := textItem("x", "y")
		item.Patient = number
		_, err := n.Take(t.Context(), item)
		var refused *ingest.RefusalError
		if !errors.As(err, &refused) || refused.Code != ingest.CodePatient || strings.Contains(err.Error(), number) && len(number) == 10 {
			t.Errorf("%s: got %v, want a refusal that does not repeat the number", number, err)
		}
		if _, err := n.Locate(t.Context(), &admin.LocateRequest{Patient: number}); admin.CodeOf(err) != admin.CodeBadInput {
			t.Errorf("locate %s: got %v, want BAD_INPUT", number, err)
		}
	}
}

func TestUnknownRoleAndPurposeAreNamed(t *testing.T) {
	t.Parallel()
	n := startNode(t, nil)
	for _, who := range []*admin.Asker{{Role: "wizard"}, {Purpose: "CURIOSITY"}} {
		_, err := n.Locate(t.Context(), &admin.LocateRequest{Patient: "9434765919", Asker: who})
		if admin.CodeOf(err) != admin.CodeBadInput || !strings.Contains(err.Error(), who.GetRole()+who.GetPurpose()) {
			t.Errorf("%v: got %v, want BAD_INPUT that names it", who, err)
		}
	}
}

func TestObjectionIsInForceAtOnceAndWithdrawnOnlyWhenAgreed(t *testing.T) {
	t.Parallel()
	n := startNode(t, nil)
	var reply *admin.ObjectReply
	eventually(t, "a committed objection", func() bool {
		r, err := n.Object(t.Context(), &admin.ObjectRequest{Patient: "9434765919", By: "dr1", Evidence: "letter"})
		reply = r
		return err == nil && r.GetCommitted()
	})
	if reply.GetState() != "objected" || len(reply.GetDirectives()) != 1 {
		t.Errorf("got %v", reply)
	}
	back, err := n.Object(t.Context(), &admin.ObjectRequest{Patient: "9434765919", Withdraw: true})
	if err != nil || !back.GetCommitted() || back.GetState() != "shared" || len(back.GetDirectives()) == 0 {
		t.Errorf("withdrawal: %v, %v", back, err)
	}
}
