package ecstest

import (
	"fmt"

	"github.com/aliyun/credentials-go/credentials"

	"github.com/ecsreboot/ecsreboot"
)

// NewClient returns a client of this module that calls the server, with the
// server's HTTPClient and the key or bearer token of the server's Options. The
// given options are applied last, so they can replace these settings.
func (s *Server) NewClient(options ...ecsreboot.Option) (*ecsreboot.Client, error) {
	config := new(credentials.Config)
	switch o := s.options; {
	case o.BearerToken != "":
		config.SetType("bearer").SetBearerToken(o.BearerToken)
	case o.SecurityToken != "":
		config.SetType("sts").SetAccessKeyId(o.AccessKeyID).SetAccessKeySecret(o.AccessKeySecret).SetSecurityToken(o.SecurityToken)
	default:
		config.SetType("access_key").SetAccessKeyId(o.AccessKeyID).SetAccessKeySecret(o.AccessKeySecret)
	}
	credential, err := credentials.NewCredential(config)
	if err != nil {
		return nil, fmt.Errorf("ecstest: %w", err)
	}
	return ecsreboot.NewClient(s.options.Region, append([]ecsreboot.Option{
		ecsreboot.WithEndpoint(s.URL),
		ecsreboot.WithCredential(credential),
		ecsreboot.WithHTTPClient(s.HTTPClient()),
	}, options...)...)
}
