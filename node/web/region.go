package web

import (
	"context"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// Region is the node as the portal asks it: the questions of the operator's socket, and a few of the portal's own. Errors are
// *admin.Error. Each part of the portal has its questions in an interface of its own.
type Region interface {
	Reading
	Keeping
	Placing
	Sharing
	Watching
	Filing
	Governing
	MyRecord
	MyChoices
	Attending
}

// Reading is what clinicians' pages ask.
type Reading interface {
	// Locate finds a patient's documents that the asker may know of, newest first.
	Locate(ctx context.Context, q *admin.LocateRequest) (*admin.LocateReply, error)
	// Describe tells of one document of a patient. There are three answers: what the asker may know of it; nil, for one that is
	// the patient's and kept from the asker, of which only a fetch may say why; and CodeNotFound, for any other document.
	Describe(ctx context.Context, patient, document string, who *admin.Asker) (*admin.Located, error)
	// Fetch sends a head, verified data in order, and a last word.
	Fetch(ctx context.Context, q *admin.FetchRequest, send func(*admin.FetchReply) error) error
	// BreakGlass declares an emergency of one user about one patient.
	BreakGlass(ctx context.Context, q *admin.BreakGlassRequest) (*admin.BreakGlassReply, error)
	// Emergency returns until when an emergency that the user has declared about the patient lasts; zero when there is none.
	Emergency(ctx context.Context, patient, user string) (time.Time, error)
}
