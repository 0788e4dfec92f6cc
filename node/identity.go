package node

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// Names of the secrets in a data folder.
const (
	secretNodeKey      = "node-key"
	secretStatementKey = "statement-key"
	secretAuditKey     = "audit-key"
	secretMembership   = "membership"
)

// defaultVoters is how many voters a region has unless its founder says otherwise.
const defaultVoters = 5

// keys are the three private keys of a trust's node. They are apart so that one that leaks does not give the others away.
type keys struct {
	node, statement, audit ed25519.PrivateKey
}

func generateKeys() (keys, error) {
	var k keys
	for _, to := range []*ed25519.PrivateKey{&k.node, &k.statement, &k.audit} {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return keys{}, fmt.Errorf("make a key: %w", err)
		}
		*to = private
	}
	return k, nil
}

func (k keys) nodeID() federation.NodeID { return federation.NodeOf(federation.PublicOf(k.node)) }

func (k keys) secrets() map[string][]byte {
	return map[string][]byte{secretNodeKey: k.node.Seed(), secretStatementKey: k.statement.Seed(), secretAuditKey: k.audit.Seed()}
}

func loadKeys(f *storage.Folder) (keys, error) {
	var k keys
	for name, to := range map[string]*ed25519.PrivateKey{secretNodeKey: &k.node, secretStatementKey: &k.statement, secretAuditKey: &k.audit} {
		seed, err := f.LoadSecret(name)
		if errors.Is(err, storage.ErrIntegrity) {
			// The master key is right, and secrets are sealed for the node that the folder names: most likely they were put here
			// from the folder of another.
			return keys{}, fmt.Errorf("the secret %s does not open for the node that the folder names: %w", name, storage.ErrOtherNode)
		}
		if err != nil {
			return keys{}, fmt.Errorf("load %s: %w", name, err)
		}
		if len(seed) != ed25519.SeedSize {
			return keys{}, fmt.Errorf("load %s: %w", name, storage.ErrIntegrity)
		}
		*to = ed25519.NewKeyFromSeed(seed)
	}
	if f.Node() != k.nodeID().String() {
		return keys{}, fmt.Errorf("the node key: %w", storage.ErrOtherNode)
	}
	return k, nil
}

// membership is what a node knows of its region before it has a copy of the agreed state. It is kept as a secret: the
// subject key makes pseudonyms.
type membership struct {
	Trust      federation.TrustID
	Name       string
	Region     string
	RegionID   []byte
	SubjectKey []byte
	Charter    []byte // the founder's: the signed charter; others': empty
	Peers      []seedPeer
}

// seedPeer is a node that was in the roster when this one joined.
type seedPeer struct {
	Node    string
	Trust   federation.TrustID
	Address string
}

func (m membership) save(f *storage.Folder) error {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode membership: %w", err)
	}
	return f.SaveSecret(secretMembership, b)
}

func loadMembership(f *storage.Folder) (membership, error) {
	var m membership
	b, err := f.LoadSecret(secretMembership)
	if errors.Is(err, storage.ErrNotFound) {
		return m, admin.Errorf(admin.CodeDataFolder, "%s was made but never joined a region: run 'ridgeway join' again, with the same invitation when it waits for approval, else with a valid one", f.Dir())
	}
	if err != nil {
		return m, fmt.Errorf("load membership: %w", err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("decode membership: %w", err)
	}
	if len(m.RegionID) != len(federation.Digest{}) || len(m.SubjectKey) != 32 || !m.Trust.Valid() {
		return m, folderProblem(f.Dir(), fmt.Errorf("the membership: %w", storage.ErrIntegrity))
	}
	return m, nil
}

// InitOptions say what region to found.
type InitOptions struct {
	Data     string
	Settings Settings
	Region   string
	Trust    federation.TrustID
	Name     string
	Voters   int       // most voters; 3, 5 or 7; 0 is 5
	Keep     *Settings // what is written into the configuration; nil: Settings
	// Approvals is how many governing trusts must agree to an enrolment or a suspension; 0 is 1.
	Approvals int
	Now       time.Time
}

// Init makes a data folder and founds a region in it, with this node's trust as its first member. The region is there once
// the node is served. Nobody else is asked: a node never founds a region by itself because nobody answered.
func Init(ctx context.Context, o InitOptions) (federation.NodeID, error) {
	if o.Region == "" || o.Name == "" || !o.Trust.Valid() {
		return federation.NodeID{}, admin.Errorf(admin.CodeBadInput, "init needs --region, --trust (an ODS code such as RYJ) and --name")
	}
	for flag, text := range map[string]string{"--region": o.Region, "--name": o.Name} {
		if fault := federation.LineFault(text, admin.MaxLine); fault != "" {
			return federation.NodeID{}, admin.Errorf(admin.CodeBadInput, "%s %s: give it as one line of text", flag, fault)
		}
	}
	if err := o.Settings.Check(o.Data); err != nil {
		return federation.NodeID{}, err
	}
	k, err := generateKeys()
	if err != nil {
		return federation.NodeID{}, err
	}
	m := membership{Trust: o.Trust, Name: o.Name, Region: o.Region, SubjectKey: make([]byte, 32)}
	if _, err := rand.Read(m.SubjectKey); err != nil {
		return federation.NodeID{}, fmt.Errorf("make the subject key: %w", err)
	}
	charter := federation.Charter{Region: o.Region, Approvals: max(o.Approvals, 1), Voters: o.Voters, Founder: proposal(k, o.Trust, o.Name, o.Settings.advertised())}
	if charter.Voters == 0 {
		charter.Voters = defaultVoters
	}
	if _, err := rand.Read(charter.Nonce[:]); err != nil {
		return federation.NodeID{}, fmt.Errorf("make the charter's nonce: %w", err)
	}
	signed, err := federation.Compose(federation.Place{Trust: o.Trust, Seq: 1, At: o.Now}, charter, k.statement)
	if err != nil {
		return federation.NodeID{}, admin.Errorf(admin.CodeBadInput, "the charter is refused: %v", err)
	}
	id := signed.ID()
	m.RegionID, m.Charter = id[:], signed.Encode()
	return createFolder(ctx, o, k, m)
}

// proposal returns the trust as a charter or an enrolment proposes it.
func proposal(k keys, trust federation.TrustID, name, address string) federation.Member {
	member := federation.Member{
		Trust: trust, Name: name, Governing: true, Address: address,
		StatementKey: federation.PublicOf(k.statement), AuditKey: federation.PublicOf(k.audit), NodeKey: federation.PublicOf(k.node),
	}
	member.Prove(k.statement)
	return member
}

// createFolder makes the data folder with keys, membership and settings.
func createFolder(ctx context.Context, o InitOptions, k keys, m membership) (federation.NodeID, error) {
	data, keep := o.Data, o.Settings
	if o.Keep != nil {
		keep = *o.Keep
	}
	keyFile := filepath.Join(data, storage.DevKeyFile)
	_, before := os.Stat(keyFile)
	master, err := o.Settings.masterKey(ctx, data, true)
	if err != nil {
		return federation.NodeID{}, err
	}
	secrets := k.secrets()
	if secrets[secretMembership], err = json.Marshal(m); err != nil {
		return federation.NodeID{}, fmt.Errorf("encode membership: %w", err)
	}
	f, err := storage.CreateFolder(data, k.nodeID().String(), master, secrets)
	if errors.Is(err, storage.ErrExists) {
		if id, done := finishInit(o, keep, master); done {
			return id, nil
		}
		if o.Settings.InsecureDevKeys && errors.Is(before, os.ErrNotExist) {
			_ = os.Remove(keyFile) // made a moment ago, in a folder that is somebody else's
		}
	}
	if err != nil {
		return federation.NodeID{}, folderProblem(data, err)
	}
	return k.nodeID(), errors.Join(keep.save(data), restrict(data), f.Close())
}

// finishInit goes on with an Init that was cut off after the keys and before the settings were written: the folder has
// founded this very region, and its node was never served.
func finishInit(o InitOptions, keep Settings, master storage.MasterKey) (federation.NodeID, bool) {
	if _, err := os.Stat(filepath.Join(o.Data, ConfigFile)); !errors.Is(err, os.ErrNotExist) {
		return federation.NodeID{}, false
	}
	f, err := storage.OpenFolder(o.Data, "", master)
	if err != nil {
		return federation.NodeID{}, false
	}
	defer func() { _ = f.Close() }() // only its lock is given back
	k, err := loadKeys(f)
	if err != nil {
		return federation.NodeID{}, false
	}
	m, err := loadMembership(f)
	if err != nil || len(m.Charter) == 0 || m.Trust != o.Trust || m.Name != o.Name || m.Region != o.Region {
		return federation.NodeID{}, false
	}
	return k.nodeID(), errors.Join(keep.save(o.Data), restrict(o.Data)) == nil
}
