package main

import "github.com/spf13/cobra"

func settingsTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "settings",
		Short: "What can stand in ridgeway.yaml and in variables",
		Long: `Settings are in ridgeway.yaml in the data folder, or in the file of --config. A
variable overrides the file for one run, and a flag overrides both. The name of
a variable is the key in capitals after RIDGEWAY_, such as RIDGEWAY_LOG_LEVEL.
A key or a variable that is misspelt is refused.

key                 what it is
listen              the one UDP address, host:port
advertise           address by which others reach it, when that differs
master_key_file     file with the master key, outside the data folder
master_key_command  command that prints the master key, as a list:
                    [vault, read, key]; in the variable split at spaces
lease               how recent the rules must be to release, 2s to 60s (10s)
election            how long without a leader before an election, 50ms to 60s
                    (500ms); at least ten round trips between the trusts
metrics             loopback address of metrics and health, host:port (none)
log_level           debug, info, warn or error (info)
test_numbers        true accepts NHS numbers of the test range 999 (false)

Only in the file (these have no variable), about emergencies and misuse; each
count is within an hour:
glass    per_user (5), per_site (20): emergencies of own staff
         peer_user (5), peer_trust (20): of others, for records held here
review   within: how long until a review is overdue (72h)
notify   smtp: server, from, to (a list), user, password_file, ca_file,
         allow_plain; webhook: url, secret_file. The log is always told
watch    patients_an_hour (40), unlinked_an_hour (30): one user, reviewed
         quota_user (100), quota_trust (1000): distinct patients, refused
         own_records: staff id to own NHS number; protected: NHS numbers

Only as variables:
RIDGEWAY_DATA               data folder, as with --data
RIDGEWAY_MASTER_KEY         the master key itself, 64 hexadecimal digits
RIDGEWAY_INSECURE_DEV_KEYS  true keeps the key in the data folder: for trials

Example of a file:
  listen: 0.0.0.0:7401
  advertise: ridgeway.example.nhs.uk:7401
  master_key_file: /etc/ridgeway.key
  lease: 20s
  notify:
    smtp:
      server: mail.example.nhs.uk:587
      from: ridgeway@example.nhs.uk
      to: [privacy@example.nhs.uk]`,
	}
}
