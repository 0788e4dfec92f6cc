package main

import "github.com/spf13/cobra"

// settingsHelp has every key and variable.
const settingsHelp = `Settings are in ridgeway.yaml in the data folder, or in the file of --config. A
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
         off: rules that open no review, as a list

The rules of misuse, each at the custodian and where the user works; all but the
quotas open a review ('ridgeway review list') and keep nobody from anything:
many_patients     one user, over patients_an_hour distinct patients
no_relationship   one user, over unlinked_an_hour requests that state none
own_record        one's own record              (marked by 'ridgeway protect')
colleague         a colleague's record                              (likewise)
near_person       somebody with one's surname or address            (likewise)
protected_person  the record of somebody who is protected           (likewise)
user_quota, trust_quota: the custodian releases no further patients' documents

The portal, for people's browsers; without "listen" there is none:
portal   listen: TCP address, host:port; certificate, key: PEM files
         origin: address in the browser, https://... (https://listen)
         idle_minutes (10): until a session is locked
         session_minutes (240): until it ends
         sign_on: issuer, client_id, client_secret_file, ca_file, scopes (a
         list), assurance (a list of acr values that are enough)
         sign_on claims: user (sub), name (name), role (role), organisation
         (organisation: the ODS code of this trust; none: not looked at).
         A dot steps into an object: nrbac_roles.role_code
         sign_on roles: what the provider calls a role, to what agreements
         call it, such as Consultant: doctor
         sign_on launch, for record systems that open the portal at a patient
         (SMART EHR launch): from (a list of their FHIR addresses), number
         (patient: what has the NHS number), purpose (TREAT), relationship
         (self-claimed), purpose_claim, relationship_claim
         patients, their own provider, shaped like NHS login: issuer,
         client_id, client_key_file or client_secret_file, ca_file, scopes,
         vectors (of trust, a list; proofed to P9 each). Without it patients
         have no pages

Only in the file, about what documents are; 'ridgeway label --help' says more:
sealed_types, sealed_specialties  lists of codes: the index says only that there
                                  is a document, whose it is and who holds it
legal_types                       type to HFEA, GRA or ADOPTION: released to
                                  nobody

Only as variables:
RIDGEWAY_DATA               data folder, as with --data
RIDGEWAY_MASTER_KEY         the master key itself, 64 hexadecimal digits
RIDGEWAY_INSECURE_DEV_KEYS  true keeps the key in the data folder: for trials

Example of a file:
  listen: 0.0.0.0:7401
  advertise: ridgeway.example.nhs.uk:7401
  master_key_file: /etc/ridgeway.key
  lease: 20s
  sealed_types: [local:psychology-letter]
  legal_types: {local:adoption-report: ADOPTION}
  notify:
    smtp:
      server: mail.example.nhs.uk:587
      from: ridgeway@example.nhs.uk
      to: [privacy@example.nhs.uk]`

func settingsTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "settings",
		Short: "What can stand in ridgeway.yaml and in variables",
		Long:  settingsHelp,
	}
}
