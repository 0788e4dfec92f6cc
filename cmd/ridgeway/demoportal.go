package main

import (
	"fmt"
	"net"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
	"github.com/ridgeway-exchange/ridgeway/testnet/tour"
)

// portalPort is where the portal of a demonstration is, unless something else is there.
const portalPort = "127.0.0.1:8443"

// lasting is a listener that stays open when a node closes it, so that nobody takes its port before the node starts again.
type lasting struct{ *net.TCPListener }

// Close ends an Accept that is under way.
func (l lasting) Close() error { return l.SetDeadline(time.Unix(1, 0)) }

// open has it accept again.
func (l lasting) open(string) (net.Listener, error) { return l, l.SetDeadline(time.Time{}) }

// demoPortal gives the trust whose clinician reads the record a portal with people to choose from, and returns its address.
// The port is taken once, for all the time that this process runs, because the node opens it later, and may be restarted.
func demoPortal(o *tour.Options) (string, error) {
	l, err := net.Listen("tcp", portalPort)
	if err != nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return "", fmt.Errorf("find a port for the portal: %w", err)
		}
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return "", fmt.Errorf("a portal on a %T", l)
	}
	addr := l.Addr().String()
	reader := tour.Members(o.Trusts)[1].Trust
	var patients []node.PatientPersona
	for _, x := range synth.New(o.Seed).Patients(max(1, min(2, o.Patients))) { // the first is whose record the walk is about
		patients = append(patients, node.PatientPersona{Number: x.NHSNumber, Name: x.Given + " " + x.Family})
	}
	o.Region.Open = func(trust federation.TrustID, n *node.Options) {
		if trust == reader {
			n.Portal = lasting{tcp}.open
			n.Settings.Portal = node.PortalSettings{
				Listen: addr, Personas: node.DemoPersonas(), PatientPersonas: patients,
			}
		}
	}
	return addr, nil
}

// demoBrowser says how to see the region in a browser.
func (a *app) demoBrowser(t *tour.Tour, addr string) {
	trust, _ := t.Reader()
	a.say("")
	a.say("See it in a browser, as a clinician at %s would:", trust)
	a.say("  https://%s", addr)
	a.say("It asks who you want to be. Then look for NHS number %s.", t.Patient().SpacedNumber())
	a.say("Or begin in a record system, with the patient open, and type nothing:")
	a.say("  https://%s/personas/record-system", addr)
	a.say("See it as that patient would, on a page of its own:")
	a.say("  https://%s/my", addr)
	a.say("Your browser warns of the certificate, which was made for this demonstration:")
	a.say("go on all the same. The address can be reached from this machine only.")
}
