package node

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func noEnvironment(string) string { return "" }

func TestUnsafeConfigurationIsRefused(t *testing.T) {
	data := t.TempDir()
	good := Settings{Listen: "127.0.0.1:7401", MasterKeyFile: "/somewhere/else.key"}
	tests := []struct {
		name   string
		change func(*Settings)
		says   string // part of the message; empty when it must be accepted
	}{
		{"complete", func(*Settings) {}, ""},
		{"trial", func(s *Settings) { s.MasterKeyFile, s.InsecureDevKeys = "", true }, ""},
		{"no master key", func(s *Settings) { s.MasterKeyFile = "" }, "--insecure-dev-keys"},
		{"key in the data folder", func(s *Settings) { s.MasterKeyFile = filepath.Join(data, "key") }, "lies in the data folder"},
		{"two keys", func(s *Settings) { s.MasterKey = "00" }, "more than one way"},
		{"trial and a key", func(s *Settings) { s.InsecureDevKeys = true }, "keep one"},
		{"no address", func(s *Settings) { s.Listen = "" }, "--listen"},
		{"no port", func(s *Settings) { s.Listen = "127.0.0.1" }, "host:port"},
		{"port too large", func(s *Settings) { s.Listen = "127.0.0.1:70000" }, "65535"},
		{"every address", func(s *Settings) { s.Listen = "0.0.0.0:7401" }, "--advertise"},
		{"lease too short", func(s *Settings) { s.Lease = Duration(time.Second) }, "2s and 60s"},
		{"advertised at every address", func(s *Settings) { s.Advertise = "0.0.0.0:7401" }, "others can reach"},
		{"advertised nowhere", func(s *Settings) { s.Advertise = ":7401" }, "others can reach"},
		{"advertised without a port", func(s *Settings) { s.Advertise = "127.0.0.1:0" }, "others can reach"},
		{"advertised as what is no host", func(s *Settings) { s.Advertise = "x y:7401" }, "no host"},
		{"advertised by name", func(s *Settings) { s.Advertise = "ridgeway.example.nhs.uk:7401" }, ""},
		{"an address of the web", func(s *Settings) { s.Listen = "http://127.0.0.1:7401" }, "host:port"},
		{"metrics without a port", func(s *Settings) { s.Metrics = "127.0.0.1" }, "host:port"},
		{"metrics at no port", func(s *Settings) { s.Metrics = "127.0.0.1:x" }, "65535"},
		{"metrics for all", func(s *Settings) { s.Metrics = "0.0.0.0:9000" }, "loopback"},
		{"sealed kinds", func(s *Settings) {
			s.SealedTypes, s.SealedSpecialties, s.LegalTypes = []string{"373942005", "local:psych"}, []string{"360"}, map[string]string{"local:ivf": "HFEA"}
		}, ""},
		{"a sealed type with a space", func(s *Settings) { s.SealedTypes = []string{" 373942005"} }, "sealed_types"},
		{"a sealed type with a wrong digit", func(s *Settings) { s.SealedTypes = []string{"373942006"} }, "check digit"},
		{"a sealed type of no digits", func(s *Settings) { s.SealedTypes = []string{"psychology letter"} }, "local:"},
		{"a sealed type of nothing", func(s *Settings) { s.SealedTypes = []string{""} }, "sealed_types"},
		{"a legal type with a space", func(s *Settings) { s.LegalTypes = map[string]string{"373942005 ": "HFEA"} }, "legal_types"},
		{"a sealed specialty with a space", func(s *Settings) { s.SealedSpecialties = []string{"360 "} }, "sealed_specialties"},
		{"odd log level", func(s *Settings) { s.LogLevel = "loud" }, "debug, info"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := good
			tt.change(&s)
			err := s.Check(data)
			switch {
			case tt.says == "" && err != nil:
				t.Errorf("got %v, want it accepted", err)
			case tt.says != "" && (admin.CodeOf(err) != admin.CodeConfig || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("got %v, want a CONFIG error with %q", err, tt.says)
			}
		})
	}
}

func TestAllThatIsWrongIsSaidAtOnce(t *testing.T) {
	err := Settings{Listen: "x", Lease: Duration(time.Hour)}.Check(t.TempDir())
	for _, want := range []string{"listen:", "lease:", "master key:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not mention %q", err, want)
		}
	}
}

func TestConfigurationErrorPointsAtTheLine(t *testing.T) {
	for name, text := range map[string]string{
		"misspelt key": "listen: 127.0.0.1:1\nlissten: x\n", "no unit": "lease: 10\n", "not yaml": "listen: [\n",
	} {
		data := t.TempDir()
		if err := os.WriteFile(filepath.Join(data, ConfigFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadSettings(data, "", noEnvironment)
		if admin.CodeOf(err) != admin.CodeConfig || !strings.Contains(err.Error(), ConfigFile) || !strings.Contains(err.Error(), "|") {
			t.Errorf("%s: got %v, want a CONFIG error that shows the line", name, err)
		}
	}
}

func TestEnvironmentOverridesTheFile(t *testing.T) {
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, ConfigFile), []byte("listen: 127.0.0.1:1\nlease: 20s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"RIDGEWAY_LISTEN": "127.0.0.1:2", "RIDGEWAY_TEST_NUMBERS": "true", "RIDGEWAY_ELECTION": "700ms"}
	s, err := LoadSettings(data, "", func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	if s.Listen != "127.0.0.1:2" || !s.TestNumbers || time.Duration(s.Election) != 700*time.Millisecond || time.Duration(s.Lease) != 20*time.Second {
		t.Errorf("got %+v", s)
	}
	env["RIDGEWAY_LEASE"] = "soon"
	if _, err := LoadSettings(data, "", func(name string) string { return env[name] }); admin.CodeOf(err) != admin.CodeConfig || !strings.Contains(err.Error(), "RIDGEWAY_LEASE") {
		t.Errorf("got %v, want a CONFIG error that names the variable", err)
	}
}

func TestSavedSettingsReadBack(t *testing.T) {
	data := t.TempDir()
	want := Settings{Listen: "127.0.0.1:7401", Advertise: "10.0.0.1:7401", Lease: Duration(20 * time.Second), MasterKeyFile: "/etc/key", MasterKey: "secret", InsecureDevKeys: true}
	if err := want.save(data); err != nil {
		t.Fatal(err)
	}
	got, err := LoadSettings(data, "", noEnvironment)
	if err != nil {
		t.Fatal(err)
	}
	if got.Listen != want.Listen || got.Lease != want.Lease || got.MasterKeyFile != want.MasterKeyFile {
		t.Errorf("got %+v", got)
	}
	if got.MasterKey != "" || got.InsecureDevKeys {
		t.Error("the key, or the leave to keep it in the folder, was written to the file")
	}
}

func TestConfigurationErrorsAreInPlainWords(t *testing.T) {
	for text, want := range map[string]string{
		"listen: x:1\ntest_numbers: maybe\n": "say true or false", "master_key_command: 'cat key'\n": "give a list", "lease: 10\n": "is not a duration",
		"watch:\n  quota_user: 0\n": `"0" is not a whole number between 1 and 1000000; take the line out`, "glass:\n  per_user: -1\n": "[2:13] \"-1\" is not",
		"watch:\n  quota_trust: many\n": `"many" is not a whole`, "watch:\n  quota_trust: 1_0\n": "whole number",
	} {
		data := t.TempDir()
		if err := os.WriteFile(filepath.Join(data, ConfigFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadSettings(data, "", noEnvironment)
		if admin.CodeOf(err) != admin.CodeConfig || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "help settings") || strings.Contains(err.Error(), "Go struct") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestMisspeltVariablesAreNamed(t *testing.T) {
	got := Unknown([]string{"RIDGEWAY_LISTNE=x", "RIDGEWAY_LISTEN=x", "RIDGEWAY_DATA=d", "HOME=/", "RIDGEWAY_FROBNICATE=1"})
	want := []string{"RIDGEWAY_LISTNE (did you mean RIDGEWAY_LISTEN?)", "RIDGEWAY_FROBNICATE"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestVariablesOfTheKeyOverrideTheFile(t *testing.T) {
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, ConfigFile), []byte("listen: 127.0.0.1:7401\nmaster_key_file: /etc/key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := LoadSettings(data, "", func(name string) string { return map[string]string{"RIDGEWAY_MASTER_KEY": "00"}[name] })
	if err != nil || s.MasterKeyFile != "" || s.MasterKey != "00" {
		t.Errorf("got %+v, %v", s, err)
	}
	if err := s.Check(data); err != nil {
		t.Errorf("refused: %v", err)
	}
}
