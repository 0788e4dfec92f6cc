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
	Voters   int // most voters; 3, 5 or 7; 0 is 5
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
	return k.nodeID(), createFolder(ctx, o.Data, o.Settings, k, m)
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

// createFolder makes the data folder with keys, membership and settings, whole or not at all.
func createFolder(ctx context.Context, data string, settings Settings, k keys, m membership) error {
	keyFile := filepath.Join(data, storage.DevKeyFile)
	_, before := os.Stat(keyFile)
	master, err := settings.masterKey(ctx, data, true)
	if err != nil {
		return err
	}
	secrets := k.secrets()
	if secrets[secretMembership], err = json.Marshal(m); err != nil {
		return fmt.Errorf("encode membership: %w", err)
	}
	f, err := storage.CreateFolder(data, k.nodeID().String(), master, secrets)
	if err != nil {
		if errors.Is(err, storage.ErrExists) && settings.InsecureDevKeys && errors.Is(before, os.ErrNotExist) {
			_ = os.Remove(keyFile) // made a moment ago, in a folder that is somebody else's
		}
		return folderProblem(data, err)
	}
	return errors.Join(settings.save(data), restrict(data), f.Close())
}

// restrict closes a data folder to others: it may have been made by hand, and what the stores write in it is open to all.
func restrict(data string) error {
	info, err := os.Stat(data)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return err
	}
	if err := os.Chmod(data, 0o700); err != nil {
		return admin.Errorf(admin.CodeDataFolder, "%s is open to other users of this machine, and cannot be closed to them (%v): run chmod 700", data, err)
	}
	return nil
}

// folderProblem says what a failure to open a data folder means and what to do.
func folderProblem(data string, err error) error {
	switch {
	case errors.Is(err, storage.ErrExists):
		return admin.Errorf(admin.CodeDataFolder, "%s is not empty: name a folder that is empty or not there yet", data)
	case errors.Is(err, storage.ErrInUse):
		return admin.Errorf(admin.CodeInUse, "%v: stop that process first, or name another folder with --data", err)
	case errors.Is(err, storage.ErrWrongKey):
		return admin.Errorf(admin.CodeWrongKey, "%v: give the key it was made with (master_key_file, master_key_command or RIDGEWAY_MASTER_KEY)", err)
	case errors.Is(err, storage.ErrNotFolder):
		return admin.Errorf(admin.CodeDataFolder, "%v: make one with 'ridgeway init' or 'ridgeway join', or name another with --data", err)
	case errors.Is(err, storage.ErrVersion):
		return admin.Errorf(admin.CodeDataFolder, "%v: use the version of ridgeway that made it, or one that says it can upgrade it", err)
	case errors.Is(err, storage.ErrOtherNode):
		return admin.Errorf(admin.CodeDataFolder, "%s: %v, or it is damaged. A folder cannot be put together from two nodes: restore it whole from a backup; nothing was changed", data, err)
	case errors.Is(err, storage.ErrIntegrity), errors.Is(err, storage.ErrDamaged):
		return admin.Errorf(admin.CodeIntegrity, "%s: %v: restore the folder from a backup; nothing was changed", data, err)
	case errors.Is(err, storage.ErrDiskFull):
		return admin.Errorf(admin.CodeDiskFull, "%s: %v: free some space, then start again", data, err)
	default:
		return fmt.Errorf("data folder %s: %w", data, err)
	}
}
