package main

import (
	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// staffSuspension are the flags of 'suspend' that are about a member of this trust's staff.
type staffSuspension struct {
	user, by, role string
	list           bool
}

func (s *staffSuspension) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.user, "user", "", "staff id of a member of this trust's staff, instead of a trust")
	cmd.Flags().BoolVar(&s.list, "list", false, "list the members of staff who are suspended")
	cmd.Flags().StringVar(&s.by, "by", "", "staff id of who does it; with --user and --list")
	cmd.Flags().StringVar(&s.role, "role", governing, "their role; with --user and --list")
}

// meant reports whether a member of staff is meant, and not a trust.
func (s *staffSuspension) meant() bool { return s.user != "" || s.list }

func (a *app) suspendStaff(cmd *cobra.Command, s staffSuspension, reason string, lift bool) error {
	if err := needs(cmd, "by"); err != nil {
		return err
	}
	if s.list && s.user != "" {
		return admin.Errorf(admin.CodeBadInput, "--list lists all: it takes no --user")
	}
	form, not := "--user", []string{"yes"}
	if s.list {
		form, not = "--list", []string{"yes", "lift", "reason"}
	}
	if err := unused(cmd, form, not...); err != nil {
		return err
	}
	a.harmless = true // who is suspended already is not suspended again
	return a.ask(cmd.Context(), func(c admin.AdminClient) error {
		reply, err := c.SuspendUser(cmd.Context(), &admin.SuspendUserRequest{
			User: s.user, Reason: reason, Lift: lift, Asker: &admin.Asker{User: s.by, Role: s.role, Purpose: "HOPERAT"},
		})
		if err != nil {
			return err
		}
		return a.showSuspended(s, lift, reply.GetUsers())
	})
}

func (a *app) showSuspended(s staffSuspension, lift bool, users []*admin.SuspendedUser) error {
	if a.json {
		out := make([]map[string]any, 0, len(users))
		for _, u := range users {
			out = append(out, map[string]any{"user": u.GetUser(), "reason": u.GetReason(), "by": u.GetBy(), "at": stamp(u.GetAt())})
		}
		return a.emit(map[string]any{"users": out})
	}
	switch {
	case s.user != "" && lift:
		a.say("%s is no longer suspended.", s.user)
	case s.user != "":
		a.say("%s is suspended: they cannot sign on, and nothing is done for them.", s.user)
	case len(users) == 0:
		a.say("No member of staff is suspended.")
	default:
		for _, u := range users {
			a.say("%s  since %s, by %s", u.GetUser(), shownTime(u.GetAt()), u.GetBy())
			a.say("%s", wrap("  "+u.GetReason(), screenWidth))
		}
	}
	return nil
}
