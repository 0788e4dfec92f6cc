package web

import "strings"

// What people call the service that signs them on.
const (
	staffDoor       = "your trust's sign-on service"
	patientDoorName = "NHS login"
)

// saidOf puts why somebody was not signed on into their own words. The audit log has the words of those who look after the portal.
func saidOf(why, door string) string {
	switch why {
	case "this browser did not start it":
		return "it was begun in another browser, or was over already"
	case "it took too long, or was used before":
		return "it took more than 10 minutes, or was over already"
	case "the answer is to another question":
		return "you began again meanwhile, perhaps in another tab"
	case "the identity provider did not sign you on":
		return "you stopped it, or " + door + " did not let you in"
	case "the identity provider did not stand by it":
		return door + " did not confirm who you are"
	case "the provider did not ask you again who you are":
		return door + " did not ask you again who you are"
	}
	if strings.Contains(why, "ID token") || strings.Contains(why, "identity provider") {
		if door == staffDoor {
			return "the answer of " + door + " cannot be used (" + why + ")"
		}
		return "the answer of " + door + " cannot be used. It is not your fault. Please try again later"
	}
	return why
}
