package endpoint

import (
	"crypto/tls"
	"errors"
	"fmt"
)

// baseTLS is what both sides of every lane have in common. There are no session tickets at either
// end: a resumed session would not show its certificate again, and some versions of crypto/tls
// skipped checks on resumption.
func baseTLS(cert tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{cert},
		SessionTicketsDisabled: true,
		ClientSessionCache:     nil,
		// Chains and names mean nothing here: whoever holds the key is the node. The check that
		// counts is VerifyConnection, which runs on every handshake and which every config sets.
		InsecureSkipVerify: true,
	}
}

// serverTLS returns the configuration of incoming connections. A client names one lane; only the
// join lane, and only while somebody listens there, lets a client in that is not in the roster.
func (e *Endpoint) serverTLS() *tls.Config {
	member := baseTLS(e.cert)
	member.ClientAuth = tls.RequireAnyClientCert
	member.VerifyConnection = e.verifyClient
	for _, l := range lanes() {
		if l != LaneJoin {
			member.NextProtos = append(member.NextProtos, l.alpn())
		}
	}
	join := baseTLS(e.cert)
	join.ClientAuth = tls.RequestClientCert
	join.VerifyConnection = e.verifyClient
	join.NextProtos = []string{LaneJoin.alpn()}

	member.GetConfigForClient = func(hi *tls.ClientHelloInfo) (*tls.Config, error) {
		if len(hi.SupportedProtos) == 1 && hi.SupportedProtos[0] == LaneJoin.alpn() && e.serves(LaneJoin) {
			return join, nil
		}
		return nil, nil // member: the join lane is not among its protocols
	}
	return member
}

// verifyClient decides on an incoming connection.
func (e *Endpoint) verifyClient(cs tls.ConnectionState) error {
	lane, ok := laneOf(cs.NegotiatedProtocol)
	if !ok {
		return fmt.Errorf("%w: application protocol %q", ErrProtocol, cs.NegotiatedProtocol)
	}
	id, err := provenPeer(cs)
	if lane == LaneJoin && (err == nil || errors.Is(err, errNoCertificate)) {
		return nil
	}
	if err == nil {
		err = e.admit(id)
	}
	if err != nil {
		e.refused(lane, id, err)
	}
	return err
}

// clientTLS returns the configuration of a connection to be dialled. The error of a failed check is
// left in verdict, because it reaches the dialling goroutine only as a TLS alert.
func (e *Endpoint) clientTLS(lane Lane, want PeerID, verdict *error) *tls.Config {
	c := baseTLS(e.cert)
	c.ServerName = "ridgeway" // never the address: it would be sent in clear
	c.NextProtos = []string{lane.alpn()}
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		*verdict = e.verifyServer(cs, lane, want)
		return *verdict
	}
	return c
}

// verifyServer decides on an outgoing connection.
func (e *Endpoint) verifyServer(cs tls.ConnectionState, lane Lane, want PeerID) error {
	got, err := provenPeer(cs)
	switch {
	case err != nil:
		return err
	case got != want:
		return fmt.Errorf("%w: want %s, got %s", ErrWrongPeer, want, got)
	case cs.NegotiatedProtocol != lane.alpn():
		return fmt.Errorf("%w: application protocol %q", ErrProtocol, cs.NegotiatedProtocol)
	case lane == LaneJoin:
		return nil
	default:
		return e.admit(want)
	}
}

// admit asks the roster.
func (e *Endpoint) admit(peer PeerID) error {
	if err := e.cfg.Admit(peer); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrNotAdmitted, peer.Short(), err)
	}
	return nil
}
