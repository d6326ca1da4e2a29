package credential

import (
	"os"

	"github.com/aliyun/credentials-go/credentials"
)

// OfProfile returns the credential of a profile of config.json or, if that file has no
// such profile, of the ini file. Nothing else of the environment replaces it. OfProfile
// reads the files to find the profile; its error says why there is none.
func OfProfile(name string) (credentials.Credential, error) {
	found, err := findProfile(name)
	if err != nil {
		return nil, err
	}
	named := func() (source, error) { return found, nil }
	return credentials.FromCredentialsProvider("default", &chain{find: []func() (source, error){named}}), nil
}

func findProfile(name string) (source, error) {
	path, given := configFile()
	if err := lookFor(path, envConfigFile, given); err == nil {
		conf, err := readConfig(path)
		if err != nil {
			return source{}, problem("%s: %v", path, err)
		}
		if conf.find(name) != nil {
			return cliProfile(name, path), nil
		}
	}
	ini, given := credentialsFile()
	if err := lookFor(ini, envCredentials, given); err != nil {
		return source{}, problem("there is no profile %q in %q, and %v", name, path, err)
	}
	return fileProfile(name, ini), nil
}

// ProfileRegion returns the region of a profile of config.json, and the name of the
// profile. An empty name means the profile that the default chain would use. The region is
// empty if there is none.
func ProfileRegion(name string) (region, profile string) {
	if name == "" && isTrue(envNoCLI) {
		return "", ""
	}
	path, _ := configFile()
	if path == "" {
		return "", ""
	}
	conf, err := readConfig(path)
	if err != nil {
		return "", ""
	}
	if name == "" {
		name = os.Getenv(envProfile)
	}
	if name == "" {
		name = conf.Current
	}
	p := conf.find(name)
	if p == nil {
		return "", ""
	}
	return p.Region, name
}
