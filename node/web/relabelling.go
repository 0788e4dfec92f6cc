package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

const (
	labelsPath = "/labels"
	// labelTime is how long a change of many labels may take: the node makes some hundreds a second.
	labelTime = 10 * time.Minute
	// labelProblemsShown is how many documents that cannot be labelled a page names.
	labelProblemsShown = 20
)

// labelsPage chooses documents and what becomes of their labels; then it says what that would do, and at last what it did.
type labelsPage struct {
	In          map[string]string // by the name of the field
	Text        string            // ids, as they were typed
	Add, Remove map[string]bool
	Preview     *labelsPreview
	Done        *labelsDone
}

// labelsPreview is what a change would do.
type labelsPreview struct {
	Plan                       string
	Chosen, Changed, Unchanged uint64
	Words                      []string
	Impact                     impact
	Problems                   labelProblems
}

// labelsDone is what a change did.
type labelsDone struct {
	Changed, Unchanged uint64
	Committed          bool
	Problems           labelProblems
}

// labelProblems are documents that were named and cannot be labelled.
type labelProblems struct {
	Shown []string
	More  int
}

// labelFields are the fields with one value each.
func labelFields() []string {
	return []string{"which", "type", "own-type", "category", "specialty", "author", "from", "to", "with", "now", "confidentiality", "legal", "reason"}
}

// legalClasses are what the law keeps from every other trust.
func legalClasses() []choice {
	out := []choice{{"none", "No: take it off, if there is one", ""}}
	for _, c := range policy.LegalClasses() {
		out = append(out, choice{c.Code, c.Description, ""})
	}
	return out
}

// whichDocuments are the two ways to say which are meant.
func whichDocuments() []choice {
	return []choice{{"like", "All that are like this", ""}, {"ids", "Those that I name", ""}}
}

func (p *Portal) showLabels(w http.ResponseWriter, r *http.Request, s *session) {
	p.labelsWith(w, r, s, http.StatusOK, labelsPage{In: map[string]string{"which": "like"}}, nil)
}

func (p *Portal) labelsWith(w http.ResponseWriter, r *http.Request, s *session, status int, body labelsPage, wrong []fault) {
	p.show(w, r, s, status, view{Name: "relabelling", Title: "Change the labels of many documents", Body: body, Error: wrong})
}

// labelMany takes the form: it shows what would be done, and does it when that was confirmed. The plan of a preview stands in the
// form: where something else would be done meanwhile, the node does nothing.
func (p *Portal) labelMany(w http.ResponseWriter, r *http.Request, s *session) {
	body := labelsPage{In: make(map[string]string), Text: r.PostFormValue("text"), Add: ticked(r.PostForm["add"]), Remove: ticked(r.PostForm["remove"])}
	for _, name := range labelFields() {
		body.In[name] = typed(r, name)
	}
	body.In["number"] = clip(strings.TrimSpace(r.PostFormValue("number")), 40)
	if r.PostFormValue("do") == "again" {
		p.labelsWith(w, r, s, http.StatusOK, body, nil)
		return
	}
	q, wrong := p.readLabels(r, s, body)
	if len(wrong) > 0 {
		p.labelsWith(w, r, s, http.StatusUnprocessableEntity, body, wrong)
		return
	}
	q.Confirm = q.GetPlan() != "" && r.PostFormValue("do") == "label"
	_ = http.NewResponseController(w).SetWriteDeadline(p.now().Add(labelTime)) // where it cannot be set, the server's own holds
	reply, err := p.config.Region.Relabel(r.Context(), q)
	switch {
	case err != nil:
		p.labelsWith(w, r, s, http.StatusUnprocessableEntity, body, []fault{{"which", plainWords(err)}})
		return
	case reply.GetDone():
		body.Done = &labelsDone{reply.GetChanged(), reply.GetUnchanged(), reply.GetCommitted(), problemsOf(reply)}
	default:
		body.Preview = p.labelsPreview(reply)
	}
	p.labelsWith(w, r, s, http.StatusOK, body, nil)
}

func ticked(values []string) map[string]bool {
	out := make(map[string]bool, len(values))
	for _, v := range values {
		out[v] = true
	}
	return out
}

// readLabels makes the question of what was filled in.
func (p *Portal) readLabels(r *http.Request, s *session, body labelsPage) (*admin.RelabelRequest, []fault) {
	in := body.In
	q := &admin.RelabelRequest{
		Choice: &admin.DocumentChoice{}, Confidentiality: in["confidentiality"], Legal: in["legal"], Reason: in["reason"], Examples: simulatedExamples,
		Plan: r.PostFormValue("plan"), By: s.governor(ownDuties),
	}
	var wrong []fault
	c := q.GetChoice()
	switch in["which"] {
	case "ids":
		if c.Documents = strings.Fields(strings.NewReplacer(",", " ", ";", " ").Replace(body.Text)); len(c.GetDocuments()) == 0 {
			wrong = append(wrong, fault{"text", "Enter the ids of documents"})
		}
	case "like":
		wrong = p.readLike(c, in)
	default:
		wrong = append(wrong, fault{"which", "Select which documents"})
	}
	for _, x := range sensitivities() {
		if body.Add[x.Value] {
			q.Add = append(q.Add, x.Value)
		}
		if body.Remove[x.Value] {
			q.Remove = append(q.Remove, x.Value)
		}
		if body.Add[x.Value] && body.Remove[x.Value] {
			wrong = append(wrong, fault{"remove", x.Label + " is to be added and taken away: choose one"})
		}
	}
	if q.GetConfidentiality()+q.GetLegal() == "" && len(q.GetAdd())+len(q.GetRemove()) == 0 {
		wrong = append(wrong, fault{"confidentiality", "Choose what is to change"})
	}
	if in["reason"] == "" {
		wrong = append(wrong, fault{"reason", "Say why: it is kept in the audit log"})
	}
	return q, append(wrong, tooLong(r, "reason")...)
}

// readLike reads what the documents are like.
func (p *Portal) readLike(c *admin.DocumentChoice, in map[string]string) (wrong []fault) {
	if in["number"] != "" {
		number, why := p.readNumber(in["number"])
		if why != "" {
			wrong = append(wrong, fault{"number", why})
		}
		c.Patient = number
	}
	c.Type = in["type"]
	if in["own-type"] != "" {
		c.Type = in["own-type"]
	}
	c.Category, c.Specialty, c.Author, c.From, c.To, c.Sensitivity, c.Confidentiality = in["category"], in["specialty"], in["author"], in["from"], in["to"], in["with"], in["now"]
	if in["number"]+c.GetType()+c.GetCategory()+c.GetSpecialty()+c.GetAuthor()+c.GetFrom()+c.GetTo()+c.GetSensitivity()+c.GetConfidentiality() == "" {
		wrong = append(wrong, fault{"which", "Fill in at least one thing that the documents have in common"})
	}
	return wrong
}

func (p *Portal) labelsPreview(reply *admin.RelabelReply) *labelsPreview {
	out := &labelsPreview{
		Plan: reply.GetPlan(), Chosen: reply.GetChosen(), Changed: reply.GetChanged(), Unchanged: reply.GetUnchanged(),
		Impact: p.impactOf(reply.GetImpact()), Problems: problemsOf(reply),
	}
	for _, l := range []struct {
		n          uint64
		what, then string
	}{
		{reply.GetSealed(), "Become sealed", "other trusts are told only that there is something."},
		{reply.GetUnsealed(), "Are opened", "every trust of the region is told their title, type and date."},
		{reply.GetBarred(), "Are taken out of the region by law", "they are released to nobody."},
		{reply.GetAdmitted(), "Are no longer barred by law", "the region lists them."},
		{reply.GetUnexamined(), "Are too unlike the others to be tried out", "they are not in what follows."},
		{uint64(len(reply.GetNotes())), "Have an earlier version that is open to more people", "whoever may not see the later one is shown the earlier one as the latest. Withdraw those that nobody should act on."},
	} {
		if l.n > 0 {
			out.Words = append(out.Words, fmt.Sprintf("%s (%s): %s", l.what, countOf(int(l.n)), l.then))
		}
	}
	return out
}

func problemsOf(reply *admin.RelabelReply) labelProblems {
	var out labelProblems
	for i, x := range reply.GetProblems() {
		if i == labelProblemsShown {
			out.More = len(reply.GetProblems()) - i
			break
		}
		out.Shown = append(out.Shown, plainWords(admin.Errorf(admin.Code(x.GetCode()), "%s", x.GetMessage())))
	}
	return out
}

// Carried are the fields of a preview, which its form sends again.
func (b labelsPage) Carried() (out [][2]string) {
	for _, name := range append(labelFields(), "number") {
		if b.In[name] != "" {
			out = append(out, [2]string{name, b.In[name]})
		}
	}
	for name, set := range map[string]map[string]bool{"add": b.Add, "remove": b.Remove} {
		for v := range set {
			out = append(out, [2]string{name, v})
		}
	}
	slices.SortFunc(out, func(x, y [2]string) int { return strings.Compare(x[0]+x[1], y[0]+y[1]) })
	return append(out, [2]string{"text", b.Text})
}

// What is what the form would change, in words.
func (b labelsPage) What() (out []string) {
	if c := b.In["confidentiality"]; c != "" {
		out = append(out, "Confidentiality: "+confidentialityName(c))
	}
	for _, x := range sensitivities() {
		switch {
		case b.Add[x.Value]:
			out = append(out, "Added: "+x.Label)
		case b.Remove[x.Value]:
			out = append(out, "Taken away: "+x.Label)
		}
	}
	if l := b.In["legal"]; l != "" {
		out = append(out, "Kept back by law: "+labelOf(legalClasses(), l))
	}
	return out
}
