package node

import (
	"errors"
	"syscall"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// socketProblem says what a failure to open the UDP socket means.
func socketProblem(listen string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return admin.Errorf(admin.CodeInUse, "UDP %s is in use by another process: stop it, or choose another address with --listen", listen)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return admin.Errorf(admin.CodeConfig, "UDP %s is not an address of this machine: give one that is with --listen, and the one others see with --advertise", listen)
	case errors.Is(err, syscall.EACCES):
		return admin.Errorf(admin.CodeConfig, "UDP %s needs rights that this user lacks: choose a port above 1023 with --listen", listen)
	default:
		return admin.Errorf(admin.CodeConfig, "UDP %s cannot be opened: %v", listen, err)
	}
}
