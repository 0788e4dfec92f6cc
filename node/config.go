package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// ConfigFile is the name of the configuration in a data folder.
const ConfigFile = "ridgeway.yaml"

// Settings are what an operator may set: in the YAML file, overridden by RIDGEWAY_ variables, overridden by flags.
// The zero value of a field means the documented default.
type Settings struct {
	// Listen is the one UDP address, host:port, RIDGEWAY_LISTEN.
	Listen string `yaml:"listen,omitempty"`
	// Advertise is the address that other nodes reach Listen by, when it differs, RIDGEWAY_ADVERTISE.
	Advertise string `yaml:"advertise,omitempty"`
	// MasterKeyFile holds the master key, outside the data folder, RIDGEWAY_MASTER_KEY_FILE.
	MasterKeyFile string `yaml:"master_key_file,omitempty"`
	// MasterKeyCommand prints the master key, RIDGEWAY_MASTER_KEY_COMMAND (split at spaces).
	MasterKeyCommand []string `yaml:"master_key_command,omitempty"`
	// MasterKey is the key itself, from RIDGEWAY_MASTER_KEY only: a key does not belong into a file of settings.
	MasterKey string `yaml:"-"`
	// InsecureDevKeys keeps the master key in the data folder, for trials, RIDGEWAY_INSECURE_DEV_KEYS.
	InsecureDevKeys bool `yaml:"-"`
	// Lease is how recent a custodian's copy of the agreed state must be when it releases: 2s to 60s, RIDGEWAY_LEASE. Default 10s.
	Lease Duration `yaml:"lease,omitempty"`
	// Election is how long without a leader before an election, RIDGEWAY_ELECTION. At least ten round trips. Default 500ms.
	Election Duration `yaml:"election,omitempty"`
	// Metrics is the loopback address, host:port, where metrics and health are served; empty: nowhere. RIDGEWAY_METRICS.
	Metrics string `yaml:"metrics,omitempty"`
	// LogLevel is debug, info, warn or error, RIDGEWAY_LOG_LEVEL. Default info.
	LogLevel string `yaml:"log_level,omitempty"`
	// SealedTypes and SealedSpecialties are kinds of documents of which the region's index has no more than that they exist, whose
	// they are and who holds them.
	SealedTypes       []string `yaml:"sealed_types,omitempty"`
	SealedSpecialties []string `yaml:"sealed_specialties,omitempty"`
	// LegalTypes are types of documents that are of a class which statute keeps from being shared (HFEA, GRA or ADOPTION), whatever
	// is said of the single document.
	LegalTypes map[string]string `yaml:"legal_types,omitempty"`
	// TestNumbers accepts NHS numbers of the range that is never issued (999), for trials, RIDGEWAY_TEST_NUMBERS.
	TestNumbers bool `yaml:"test_numbers,omitempty"`
	// Glass, Review, Notify and Watch are about emergencies and misuse; they stand in the file only.
	Glass  GlassSettings  `yaml:"glass,omitempty"`
	Review ReviewSettings `yaml:"review,omitempty"`
	Notify NotifySettings `yaml:"notify,omitempty"`
	Watch  WatchSettings  `yaml:"watch,omitempty"`
	// Portal is where people's browsers are served, and how they sign on; it stands in the file only.
	Portal PortalSettings `yaml:"portal,omitempty"`
}

// Duration is a time.Duration that reads as "10s" or "500ms".
type Duration time.Duration

// UnmarshalYAML reads a duration with its unit; a fault points at its line.
func (d *Duration) UnmarshalYAML(n ast.Node) error {
	text := n.GetToken().Value
	if err := d.Set(text); err != nil {
		return &yaml.SyntaxError{Message: err.Error(), Token: n.GetToken()}
	}
	return nil
}

// Set reads a duration with its unit.
func (d *Duration) Set(text string) error {
	v, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 10s or 500ms", text)
	}
	*d = Duration(v)
	return nil
}

// MarshalYAML writes the duration with its unit.
func (d Duration) MarshalYAML() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// LoadSettings reads the settings of a data folder and lets the environment override them. getenv is os.Getenv outside tests.
// path names another file than the folder's own; it must then exist. It fails with CodeConfig and names the bad line.
func LoadSettings(data, path string, getenv func(string) string) (Settings, error) {
	var s Settings
	named := path != ""
	if !named {
		path = filepath.Join(data, ConfigFile)
	}
	b, err := os.ReadFile(path)
	switch {
	case err == nil:
		if err := yaml.UnmarshalWithOptions(b, &s, yaml.Strict()); err != nil {
			return s, admin.Errorf(admin.CodeConfig, "%s is not right ('ridgeway help settings' lists what can stand in it):\n%s", path, plainYAML(strings.TrimSpace(yaml.FormatError(err, false, true))))
		}
	case errors.Is(err, syscall.ENOTDIR) && !named:
		return s, admin.Errorf(admin.CodeDataFolder, "%s is a file and no data folder: name a folder with --data", data)
	case errors.Is(err, fs.ErrPermission):
		return s, admin.Errorf(admin.CodeConfig, "the configuration cannot be read: %v: run this as the user that the data folder belongs to", err)
	case !errors.Is(err, os.ErrNotExist) || named:
		return s, admin.Errorf(admin.CodeConfig, "the configuration cannot be read: %v", err)
	}
	if err := s.environment(getenv); err != nil {
		return s, err
	}
	return s, nil
}

// goWords finds what the YAML package says in the words of Go.
var goWords = regexp.MustCompile(`cannot unmarshal \w+ into Go struct field Settings\.\w+ of type (\S+)|string was used where sequence is expected`)

// plainYAML turns a complaint about the configuration into one for people. Its line and place stay.
func plainYAML(text string) string {
	return goWords.ReplaceAllStringFunc(text, func(said string) string {
		switch {
		case strings.HasSuffix(said, "of type bool"):
			return "say true or false"
		case strings.HasSuffix(said, "of type string"):
			return "give one text"
		case strings.HasSuffix(said, "expected"), strings.HasSuffix(said, "of type []string"):
			return "give a list, such as [cat, /run/key]"
		default:
			return "this value does not fit"
		}
	})
}

// Unknown returns the variables in the form NAME=value that look like settings and are none, each with the one that is meant
// most likely.
func Unknown(environ []string) []string {
	known := append(Variables(), "RIDGEWAY_DATA")
	var out []string
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, "RIDGEWAY_") || slices.Contains(known, name) {
			continue
		}
		near, least := "", 4
		for _, k := range known {
			if d := ingest.Distance(name, k); d < least {
				near, least = k, d
			}
		}
		if near != "" {
			name += " (did you mean " + near + "?)"
		}
		out = append(out, name)
	}
	return out
}

// Variables returns the names of the variables that override settings.
func Variables() []string {
	return []string{
		"RIDGEWAY_LISTEN", "RIDGEWAY_ADVERTISE", "RIDGEWAY_MASTER_KEY_FILE", "RIDGEWAY_MASTER_KEY", "RIDGEWAY_MASTER_KEY_COMMAND", "RIDGEWAY_METRICS",
		"RIDGEWAY_LOG_LEVEL", "RIDGEWAY_LEASE", "RIDGEWAY_ELECTION", "RIDGEWAY_INSECURE_DEV_KEYS", "RIDGEWAY_TEST_NUMBERS",
	}
}

func (s *Settings) environment(getenv func(string) string) error {
	texts := []struct {
		name string
		to   *string
	}{
		{"RIDGEWAY_LISTEN", &s.Listen},
		{"RIDGEWAY_ADVERTISE", &s.Advertise},
		{"RIDGEWAY_MASTER_KEY_FILE", &s.MasterKeyFile},
		{"RIDGEWAY_MASTER_KEY", &s.MasterKey},
		{"RIDGEWAY_METRICS", &s.Metrics},
		{"RIDGEWAY_LOG_LEVEL", &s.LogLevel},
	}
	if getenv("RIDGEWAY_MASTER_KEY_FILE")+getenv("RIDGEWAY_MASTER_KEY")+getenv("RIDGEWAY_MASTER_KEY_COMMAND") != "" {
		s.MasterKeyFile, s.MasterKeyCommand = "", nil // another way of naming it in the file is overridden as well
	}
	for _, t := range texts {
		if v := getenv(t.name); v != "" {
			*t.to = v
		}
	}
	if v := getenv("RIDGEWAY_MASTER_KEY_COMMAND"); v != "" {
		s.MasterKeyCommand = strings.Fields(v)
	}
	for name, to := range map[string]*Duration{"RIDGEWAY_LEASE": &s.Lease, "RIDGEWAY_ELECTION": &s.Election} {
		if v := getenv(name); v != "" {
			if err := to.Set(v); err != nil {
				return admin.Errorf(admin.CodeConfig, "%s: %v", name, err)
			}
		}
	}
	for name, to := range map[string]*bool{"RIDGEWAY_INSECURE_DEV_KEYS": &s.InsecureDevKeys, "RIDGEWAY_TEST_NUMBERS": &s.TestNumbers} {
		if v := getenv(name); v != "" {
			on, err := strconv.ParseBool(v)
			if err != nil {
				return admin.Errorf(admin.CodeConfig, "%s=%s: say true or false", name, v)
			}
			*to = on
		}
	}
	return nil
}

// Check returns all that is wrong with s for a node in data, in one error, with CodeConfig.
func (s Settings) Check(data string) error {
	var wrong []string
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if s.Listen == "" {
		add("listen: no UDP address: give --listen host:port, or listen: in %s", ConfigFile)
	} else if err := checkAddress(s.Listen); err != nil {
		add("listen: %v", err)
	}
	if s.Advertise != "" {
		if err := checkAddress(s.Advertise); err != nil {
			add("advertise: %v", err)
		} else if !dialable(s.Advertise) {
			add("advertise: %q is no address that others can reach: give the host or address by which they see this node, and its port", s.Advertise)
		}
	} else if host, _, err := net.SplitHostPort(s.Listen); err == nil && unspecified(host) {
		add("advertise: %s listens on every address of this machine, so say by which one others reach it: --advertise host:port", s.Listen)
	}
	if d := time.Duration(s.Lease); d != 0 && (d < 2*time.Second || d > time.Minute) {
		add("lease: %v is not between 2s and 60s", d)
	}
	if d := time.Duration(s.Election); d != 0 && (d < 50*time.Millisecond || d > time.Minute) {
		add("election: %v is not between 50ms and 60s", d)
	}
	if s.Metrics != "" {
		if err := checkAddress(s.Metrics); err != nil {
			add("metrics: %v", err)
		} else if !loopback(s.Metrics) {
			add("metrics: %s is not a loopback address, and metrics are for this machine only: give 127.0.0.1 and a port", s.Metrics)
		}
	}
	switch s.LogLevel {
	case "", "debug", "info", "warn", "error":
	default:
		add("log_level: %q is none of debug, info, warn, error", s.LogLevel)
	}
	wrong = append(wrong, s.checkKinds()...)
	for _, t := range slices.Sorted(maps.Keys(s.LegalTypes)) {
		if class := s.LegalTypes[t]; !slices.ContainsFunc(policy.LegalClasses(), func(c policy.LegalClass) bool { return c.Code == class }) {
			add("legal_types: %q of %s is none of HFEA, GRA, ADOPTION", class, t)
		}
	}
	wrong = append(wrong, s.checkKey(data)...)
	wrong = append(wrong, s.checkReviews(data)...)
	wrong = append(wrong, s.Portal.Check(s.InsecureDevKeys)...)
	if len(wrong) == 0 {
		return nil
	}
	return admin.Errorf(admin.CodeConfig, "the configuration is refused:\n  %s", strings.Join(wrong, "\n  "))
}

func (s Settings) checkKey(data string) []string {
	given := 0
	for _, set := range []bool{s.MasterKeyFile != "", len(s.MasterKeyCommand) > 0, s.MasterKey != ""} {
		if set {
			given++
		}
	}
	switch {
	case given > 1:
		return []string{"master key: named in more than one way: keep one of master_key_file and master_key_command in ridgeway.yaml, or one of the variables RIDGEWAY_MASTER_KEY_FILE, RIDGEWAY_MASTER_KEY_COMMAND and RIDGEWAY_MASTER_KEY"}
	case given == 1 && s.InsecureDevKeys:
		return []string{"master key: --insecure-dev-keys says to keep it in the data folder, but another place is named as well: keep one"}
	case given == 0 && !s.InsecureDevKeys:
		return []string{"master key: none is named. It must not lie in the data folder: set master_key_file, master_key_command or RIDGEWAY_MASTER_KEY.\n" +
			"    To make one, outside the data folder:\n" +
			"      (umask 077; od -An -tx1 -N32 /dev/urandom | tr -d ' \\n' > KEYFILE)\n" +
			"    For a trial without real patients: --insecure-dev-keys"}
	}
	if s.MasterKeyFile != "" {
		if inside, err := storage.Inside(data, s.MasterKeyFile); err == nil && inside {
			return []string{fmt.Sprintf("master key: %s lies in the data folder, so whoever takes the folder has the key: move it out", s.MasterKeyFile)}
		}
	}
	return nil
}

// masterKey loads the key that s names. With InsecureDevKeys it makes one in data when create is set and there is none.
func (s Settings) masterKey(ctx context.Context, data string, create bool) (storage.MasterKey, error) {
	if wrong := s.checkKey(data); len(wrong) > 0 {
		return storage.MasterKey{}, admin.Errorf(admin.CodeConfig, "%s", strings.Join(wrong, "\n"))
	}
	src := storage.KeySource{File: s.MasterKeyFile, Value: s.MasterKey, Command: s.MasterKeyCommand, DataDir: data}
	if s.InsecureDevKeys {
		src = storage.KeySource{File: filepath.Join(data, storage.DevKeyFile), DataDir: data, AllowInside: true}
		if _, err := os.Stat(src.File); errors.Is(err, os.ErrNotExist) && create {
			if err := os.MkdirAll(data, 0o700); err != nil {
				return storage.MasterKey{}, folderProblem(data, fmt.Errorf("make the data folder: %w", err))
			}
			if err := writeDevKey(data); err != nil {
				return storage.MasterKey{}, folderProblem(data, fmt.Errorf("write the trial key: %w", err))
			}
		}
	}
	key, err := storage.LoadMasterKey(ctx, src)
	if err != nil {
		return key, admin.Errorf(admin.CodeConfig, "%v", err)
	}
	return key, nil
}

// writeDevKey makes a key for trials. What an earlier run that was cut off has left of one is removed: it is no key.
func writeDevKey(data string) error {
	left, err := filepath.Glob(filepath.Join(data, "."+storage.DevKeyFile+".*.tmp"))
	if err != nil {
		return err
	}
	for _, f := range left {
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	return storage.WriteFileAtomic(filepath.Join(data, storage.DevKeyFile), []byte(storage.GenerateMasterKey().Hex()+"\n"))
}

// advertised returns the address by which others reach the node.
func (s Settings) advertised() string {
	if s.Advertise != "" {
		return s.Advertise
	}
	return s.Listen
}

// save writes s as the configuration of data. A path is kept as seen from the root: the node may be started elsewhere.
func (s Settings) save(data string) error {
	if s.MasterKeyFile != "" {
		abs, err := filepath.Abs(s.MasterKeyFile)
		if err != nil {
			return fmt.Errorf("path of the master key: %w", err)
		}
		s.MasterKeyFile = abs
	}
	b, err := yaml.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode the configuration: %w", err)
	}
	if err := storage.WriteFileAtomic(filepath.Join(data, ConfigFile), b); err != nil {
		return folderProblem(data, err)
	}
	return nil
}

func checkAddress(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host == "" && port == "" {
		return fmt.Errorf("%q is not host:port, such as 127.0.0.1:7401", addr)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q: the port is not a number from 1 to 65535", addr)
	}
	if strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r == '/' || r == '@' || r == 0x7f }) {
		return fmt.Errorf("%q: %q is no host and no address, such as 127.0.0.1", addr, host)
	}
	return nil
}

func unspecified(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
