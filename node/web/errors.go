package web

import "errors"

var (
	// ErrSettings is returned when the portal's settings are wrong or unsafe.
	ErrSettings = errors.New("portal settings")
	// ErrSignOn is returned when a sign-on cannot be completed: it is late, forged, or of somebody who may not come in.
	ErrSignOn = errors.New("sign-on")
	// ErrPicture is returned when the bytes of a page cannot be made into a picture.
	ErrPicture = errors.New("not a picture that can be shown")
	// ErrStructured is returned when a structured document cannot be shown.
	ErrStructured = errors.New("not a structured document that can be shown")
)
