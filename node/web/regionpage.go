package web

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

const (
	regionPath = "/region"
	fewBehind  = 50 // entries that a node may lack without being late: what is under way
)

// regionView is the page about the region. All of it but the addresses is made anew while the page is open.
type regionView struct {
	Name    string // of the region
	AsOf    time.Time
	Never   bool // the copy was never confirmed
	Facts   []fact
	Map     regionMap
	Sites   []regionSite
	Roots   []regionRoot
	Wishes  []*admin.Proposal
	Barred  []regionSite // suspended trusts
	Own     *regionSite  // this trust, when it is suspended
	Advice  []string
	Stopped bool
}

// fact is a line of what the node says of itself.
type fact struct {
	Name, Text string
	Bad        bool
}

// regionSite is one node of a trust.
type regionSite struct {
	Trust, Name, Standing, Part, Version, Address, Behind, State string
	By, Told, Reason                                             string // of a suspension: who proposed it, and who tells of it if not this node's copy
	Own, Up, Late                                                bool
	Heard, Since                                                 time.Time // Since: of a suspension
}

// regionRoot is an audit log as the region has witnessed it.
type regionRoot struct {
	Name, Node, Root string
	Entries          int
	At               time.Time
}

func (p *Portal) regionRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET "+regionPath, p.signedOn(p.showRegion))
	mux.HandleFunc("GET "+regionPath+"/events", p.streamRegion)
}

func (p *Portal) showRegion(w http.ResponseWriter, r *http.Request, s *session) {
	h, err := p.config.Region.Health(r.Context())
	if err != nil {
		p.show(w, r, s, http.StatusBadGateway, view{Name: "message", Title: "The node does not say how it is", Body: message{
			Text: []string{"It may be starting or stopping. If this goes on, look at the node's log on its machine."}, Link: regionPath, LinkText: "Try again",
		}})
		return
	}
	p.show(w, r, s, http.StatusOK, view{Name: "region", Title: "Region", Wide: true, Wait: "region.js", Body: p.regionOf(h)})
}

// regionPart makes the part of the page that changes.
func (p *Portal) regionPart(h *Health) ([]byte, error) {
	var out bytes.Buffer
	err := p.pages.byName["region"].ExecuteTemplate(&out, "regionlive", p.regionOf(h))
	return out.Bytes(), err
}

func (p *Portal) regionOf(h *Health) regionView {
	s := h.Status
	v := regionView{Name: s.GetRegion(), Wishes: s.GetProposals(), Stopped: s.GetReleasesStopped()}
	if x := s.GetSuspended(); x != nil {
		own := regionSite{Trust: x.GetTrust(), Name: p.nameOf(x.GetTrust()), By: p.nameOf(x.GetBy()), Told: p.nameOf(x.GetToldBy()), Reason: x.GetReason()}
		if x.GetSince() > 0 {
			own.Since = time.UnixMicro(x.GetSince())
		}
		v.Own = &own
	}
	if v.AsOf, v.Never = time.UnixMicro(s.GetAsOf()), s.GetAsOf() == 0; v.Never {
		v.AsOf = time.Time{}
	}
	for _, text := range s.GetWarnings() {
		if text != "" {
			v.Advice = append(v.Advice, strings.ToUpper(text[:1])+text[1:])
		}
	}
	v.Facts = p.factsOf(h)
	for _, x := range s.GetSites() {
		site := siteOf(x, h, s)
		site.Heard = p.lastHeard(site.Trust, x.GetAsOf(), site.Up)
		site.By = p.nameOf(site.By)
		v.Sites = append(v.Sites, site)
		if x.GetStanding() == "suspended" && !(site.Own && v.Own != nil) { // of this trust the page speaks apart
			v.Barred = append(v.Barred, site)
		}
	}
	v.Map = mapOf(v.Sites)
	for _, r := range h.Roots {
		v.Roots = append(v.Roots, regionRoot{Name: p.nameOf(r.GetTrust()), Node: clip(r.GetNode(), 10), Root: clip(r.GetRoot(), 16), Entries: int(r.GetSize()), At: time.UnixMicro(r.GetAt())})
	}
	slices.SortFunc(v.Roots, func(a, b regionRoot) int { return cmp.Compare(a.Name, b.Name) })
	return v
}

// siteOf says how a node of the region is, as far as this node knows.
func siteOf(x *admin.Site, h *Health, s *admin.StatusReply) regionSite {
	out := regionSite{
		Trust: x.GetTrust(), Name: x.GetName(), Standing: x.GetStanding(), Part: partName(x.GetRaft()), Version: x.GetVersion(), Address: x.GetAddress(), Own: x.GetNode() == s.GetNode() || x.GetTrust() == s.GetTrust(),
		Up: x.GetReachable(), Behind: "not known", By: x.GetSuspension().GetBy(), Reason: x.GetSuspension().GetReason(),
	}
	if at := x.GetSuspension().GetSince(); at > 0 {
		out.Since = time.UnixMicro(at)
	}
	newest := max(s.GetCommitted(), s.GetApplied())
	if at, told := h.Applied[x.GetNode()]; told && out.Up {
		behind := newest - min(at, newest)
		out.Late = behind > fewBehind
		out.Behind = "up to date"
		if out.Late {
			out.Behind = countOf(int(behind)) + " entries behind"
		}
	}
	switch {
	case x.GetStanding() == "suspended":
		out.State = "suspended"
	case x.GetStanding() != "active":
		out.State = x.GetStanding()
	case !out.Up:
		out.State = "no answer"
	case x.GetRaft() == "leader":
		out.State = "leader"
	case out.Late:
		out.State = "behind"
	default:
		out.State = "answers"
	}
	return out
}

func partName(raft string) string {
	switch raft {
	case "leader":
		return "Leader"
	case "voter":
		return "Votes"
	case "observer":
		return "Follows"
	default:
		return "None"
	}
}

// factsOf is what the node says of itself, in the order of the command line's status.
func (p *Portal) factsOf(h *Health) []fact {
	s := h.Status
	leader := fact{"Leader", p.nameOf(s.GetLeader()), false}
	if s.GetLeader() == "" {
		leader = fact{"Leader", "None known: nothing new can be agreed on", true}
	}
	part := map[string]string{"leader": "Leads the region", "voter": "Votes", "observer": "Follows, without a vote", "joining": "Is joining", "removed": "Was removed"}[s.GetState()]
	lag := s.GetCommitted() - min(s.GetApplied(), s.GetCommitted())
	out := []fact{
		{"This trust's part", cmp.Or(part, s.GetState()), s.GetState() == "removed"},
		leader,
		{"Region's index", fmt.Sprintf("%s, entry %s of %s", numberOf(int(s.GetPointers()), "document"), countOf(int(s.GetApplied())), countOf(int(s.GetCommitted()))), lag > fewBehind},
		{"Held here", numberOf(int(s.GetDocuments()), "document") + " of " + numberOf(int(s.GetPatients()), "patient"), false},
		{"Waiting to be published", countOf(int(s.GetOutbox())), false},
		{"Refused by the region, or damaged here", countOf(int(s.GetRejected())), s.GetRejected() > 0},
		{"Statements of any trust that broke the region's rules", refusedText(s), false},
		{"Audit log", countOf(int(s.GetAuditEntries())) + " entries", false},
		{"Disk", diskText(s), s.GetDisk() != "ok"},
		scrubFact(h.Scrub, p.now()),
		{"Program", "Version " + cmp.Or(s.GetVersion(), "not known"), false},
		{"Node", fmt.Sprintf("%s at UDP %s", clip(s.GetNode(), 13), s.GetAddress()), false},
		{"State of the index", clip(s.GetRoot(), 16), false},
	}
	if at := s.GetStarted(); at > 0 {
		out = append(out, fact{"Running since", time.UnixMicro(at).In(britain()).Format("2 January 2006 at 15:04"), false})
	}
	return out
}

func refusedText(s *admin.StatusReply) string {
	if len(s.GetRefused()) == 0 {
		return "None"
	}
	last := s.GetRefused()[0]
	return fmt.Sprintf("%s; the newest, of %s: %s", countOf(int(s.GetRefusedEver())), cmp.Or(last.GetTrust(), "nobody known"), cmp.Or(last.GetDetail(), last.GetCode()))
}

func diskText(s *admin.StatusReply) string {
	words := map[string]string{"ok": "", "warn": ": filling up", "no_ingest": ": nearly full, nothing is taken in", "read_only": ": full"}
	return fmt.Sprintf("%s free of %s%s", sizeName(s.GetDiskFree()), sizeName(s.GetDiskTotal()), words[s.GetDisk()])
}

func scrubFact(x *Scrubbed, now time.Time) fact {
	switch {
	case x == nil:
		return fact{"Last scrub", "None yet: run 'ridgeway scrub' to have everything read and checked", false}
	case x.Damaged+x.Wrong > 0:
		return fact{"Last scrub", fmt.Sprintf("%s: %s damaged. 'ridgeway scrub' says which", ago(x.At, now), numberOf(x.Damaged, "document")), true}
	default:
		return fact{"Last scrub", fmt.Sprintf("%s: %s documents, %s, nothing is damaged", ago(x.At, now), countOf(int(x.Documents)), sizeName(x.Bytes)), false}
	}
}

// nameOf is what people call a trust.
func (p *Portal) nameOf(code string) string {
	if code == "" {
		return ""
	}
	return cmp.Or(p.config.Names(federation.TrustID(code)), code)
}

// numberOf writes how many of something there are.
func numberOf(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return countOf(n) + " " + noun
}
