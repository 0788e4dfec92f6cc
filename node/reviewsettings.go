package node

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/ridgeway-exchange/ridgeway/storage"
)

// GlassSettings bound how many emergencies may be declared within an hour. Zero is the default.
type GlassSettings struct {
	PerUser   Bound `yaml:"per_user,omitempty"`   // by one of this trust's staff: 5
	PerSite   Bound `yaml:"per_site,omitempty"`   // by all of them: 20
	PeerUser  Bound `yaml:"peer_user,omitempty"`  // by one member of another trust's staff, for documents held here: 5
	PeerTrust Bound `yaml:"peer_trust,omitempty"` // by all of another trust: 20
}

// ReviewSettings say by when accesses are to be reviewed.
type ReviewSettings struct {
	Within Duration `yaml:"within,omitempty"` // 72h
}

// NotifySettings say how privacy officers are told of reviews, beside the log.
type NotifySettings struct {
	SMTP    *SMTPSettings    `yaml:"smtp,omitempty"`
	Webhook *WebhookSettings `yaml:"webhook,omitempty"`
}

// WatchSettings tune the rules of misuse. Zero is the default.
type WatchSettings struct {
	PatientsAnHour Bound             `yaml:"patients_an_hour,omitempty"` // distinct patients of one user before it is reviewed: 40
	UnlinkedAnHour Bound             `yaml:"unlinked_an_hour,omitempty"` // requests of one user without a relationship: 30
	QuotaUser      Bound             `yaml:"quota_user,omitempty"`       // distinct patients an hour whose documents are released to one user: 100
	QuotaTrust     Bound             `yaml:"quota_trust,omitempty"`      // and to all of one trust: 1000
	Off            []string          `yaml:"off,omitempty"`              // rules that open no review
	OwnRecords     map[string]string `yaml:"own_records,omitempty"`      // refused: the file is not where NHS numbers belong
	Protected      []string          `yaml:"protected,omitempty"`        // refused likewise
}

// Bound is how many of something are let through within an hour; zero, which no file may say, is the default.
type Bound int

const mostBound = 1_000_000

// UnmarshalYAML reads a bound. Who writes 0 may mean that nothing is let through, or that everything is: neither can be had, and the
// default would be a third thing.
func (b *Bound) UnmarshalYAML(n ast.Node) error {
	text := n.GetToken().Value
	v, err := strconv.Atoi(text)
	if err != nil || v < 1 || v > mostBound {
		return &yaml.SyntaxError{Message: fmt.Sprintf("%q is not a whole number between 1 and %d; take the line out for the default", text, mostBound), Token: n.GetToken()}
	}
	*b = Bound(v)
	return nil
}

// checkReviews returns all that is wrong with what emergencies, reviews and their notices are set to. It repeats no NHS number.
func (s Settings) checkReviews(data string) []string {
	var wrong []string
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for name, v := range map[string]Bound{
		"glass: per_user": s.Glass.PerUser, "glass: per_site": s.Glass.PerSite, "glass: peer_user": s.Glass.PeerUser, "glass: peer_trust": s.Glass.PeerTrust,
		"watch: patients_an_hour": s.Watch.PatientsAnHour, "watch: unlinked_an_hour": s.Watch.UnlinkedAnHour,
		"watch: quota_user": s.Watch.QuotaUser, "watch: quota_trust": s.Watch.QuotaTrust,
	} {
		if v < 0 || v > mostBound {
			add("%s: %d is not between 1 and %d", name, v, mostBound)
		}
	}
	if d := time.Duration(s.Review.Within); d != 0 && (d < time.Minute || d > 90*24*time.Hour) {
		add("review: within: %v is not between 1m and 2160h", d)
	}
	for _, rule := range s.Watch.Off {
		if !slices.Contains(softRules, rule) {
			add("watch: off: %q is none of %s", rule, strings.Join(softRules, ", "))
		}
	}
	if len(s.Watch.OwnRecords) > 0 {
		add("watch: own_records: NHS numbers do not belong into this file: take the key out, start the node, and say it for each with 'ridgeway protect NHS-NUMBER --staff STAFF-ID'")
	}
	if len(s.Watch.Protected) > 0 {
		add("watch: protected: NHS numbers do not belong into this file: take the key out, start the node, and mark each with 'ridgeway protect NHS-NUMBER --reason TEXT'")
	}
	slices.Sort(wrong)
	return append(wrong, s.Notify.check(data)...)
}

func (s NotifySettings) check(data string) []string {
	var wrong []string
	secret := func(name, file string) {
		if inside, err := storage.Inside(data, file); file != "" && err == nil && inside {
			wrong = append(wrong, fmt.Sprintf("notify: %s: %s lies in the data folder: move it out", name, file))
		}
	}
	if s.SMTP != nil {
		if err := s.SMTP.check(); err != nil {
			wrong = append(wrong, strings.Split(err.Error(), "\n")...)
		}
		secret("smtp: password_file", s.SMTP.PasswordFile)
	}
	if s.Webhook != nil {
		if err := s.Webhook.check(); err != nil {
			wrong = append(wrong, err.Error())
		}
		secret("webhook: secret_file", s.Webhook.SecretFile)
	}
	return wrong
}
