package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func (a *app) protectCommand() *cobra.Command {
	var who asking
	var reason, staff, near string
	var lift, list bool
	cmd := &cobra.Command{
		Use:   "protect [NHS-NUMBER]",
		Short: "Have looks at a person's record reviewed",
		Long: `Marks a person. From then on a look at their record opens a review at this trust
('ridgeway review list'). Nobody is kept from the record by it, and whoever
looks is not told. Marks lie encrypted in this node's store, under a pseudonym.

Without --staff and --near every look is reviewed, by whomever. --staff says
that the record is this member of staff's own: a look by them is reviewed, and
one by a colleague. --near says that the person has the surname or the address
of this member of staff, whose looks are reviewed: records hold no surnames and
no addresses, so your staff list has to say.

--lift takes all marks of a person back, or the one that --staff or --near
names. --list shows all. A governance lead or a privacy officer does it, and it
is audited. 'ridgeway help settings' has the other rules of misuse.

JSON: persons (patient, kind, staff, reason, by, at): of that person, or all.`,
		Example: `  ridgeway protect --data d1 943 476 5919 --reason "known to the press" \
    --user a.mensah --role privacy-officer
  ridgeway protect --data d1 943 476 5919 --staff j.okafor --user a.mensah
  ridgeway protect --data d1 943 476 5919 --lift --user a.mensah
  ridgeway protect --data d1 --list --user a.mensah`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needs(cmd, "user"); err != nil {
				return err
			}
			switch {
			case list && len(args) > 0:
				return admin.Errorf(admin.CodeBadInput, "--list shows all: it takes no NHS number")
			case !list && len(args) == 0:
				return patientArgument(cmd, args)
			case list:
				if err := unused(cmd, "--list", "reason", "staff", "near", "lift"); err != nil {
					return err
				}
			}
			if who.role == "" {
				who.role = "governance-lead"
			}
			return a.protect(cmd.Context(), &admin.ProtectRequest{
				Patient: joined(args), Reason: reason, Staff: staff, Near: near, Lift: lift, Asker: who.message(),
			})
		},
	}
	cmd.Flags().StringVar(&who.user, "user", "", "staff id of who does it")
	cmd.Flags().StringVar(&who.role, "role", "", "governance-lead or privacy-officer (default: governance-lead)")
	cmd.Flags().StringVar(&reason, "reason", "", "why looks at the record are reviewed")
	cmd.Flags().StringVar(&staff, "staff", "", "staff id of the person: the record is their own")
	cmd.Flags().StringVar(&near, "near", "", "staff id of somebody with the person's surname or address")
	cmd.Flags().BoolVar(&lift, "lift", false, "take marks back")
	cmd.Flags().BoolVar(&list, "list", false, "show all marks")
	return cmd
}

func (a *app) protect(ctx context.Context, q *admin.ProtectRequest) error {
	return a.ask(ctx, func(c admin.AdminClient) error {
		reply, err := c.Protect(ctx, q)
		if err != nil {
			return err
		}
		if q.GetLift() && !a.json && len(reply.GetPersons()) == 0 {
			a.say("Lifted: that person bears no mark any more.")
			return nil
		}
		return a.showMarks(reply.GetPersons())
	})
}

func (a *app) showMarks(list []*admin.ProtectedPerson) error {
	if a.json {
		out := make([]map[string]any, 0, len(list))
		for _, p := range list {
			out = append(out, map[string]any{
				"patient": p.GetPatient(), "kind": p.GetKind(), "staff": p.GetStaff(), "reason": p.GetReason(), "by": p.GetBy(), "at": stamp(p.GetAt()),
			})
		}
		return a.emit(map[string]any{"persons": out})
	}
	if len(list) == 0 {
		a.say("No mark.")
		return nil
	}
	for _, p := range list {
		what := map[string]string{"protected": "every look is reviewed", "staff": "the own record of " + p.GetStaff(), "near": "surname or address of " + p.GetStaff()}[p.GetKind()]
		a.say("%s  %s", p.GetPatient(), what)
		a.say("  marked by %s, %s", p.GetBy(), since(p.GetAt()))
		if p.GetReason() != "" {
			a.say("%s", wrap("  "+p.GetReason(), screenWidth))
		}
	}
	return nil
}
