package credential

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/aliyun/credentials-go/credentials/providers"
)

// location returns the path of a file: what a variable says, or else its place in the
// home directory; empty if there is no home directory.
func location(variable string, inHome ...string) (path string, given bool) {
	if path := os.Getenv(variable); path != "" {
		return path, true
	}
	home := os.Getenv("HOME")
	if runtime.GOOS == "windows" {
		home = os.Getenv("USERPROFILE")
	}
	if home == "" {
		return "", false
	}
	return filepath.Join(append([]string{home}, inHome...)...), false
}

func configFile() (path string, given bool) {
	return location(envConfigFile, ".aliyun", "config.json")
}

func credentialsFile() (path string, given bool) {
	return location(envCredentials, ".alibabacloud", "credentials")
}

// lookFor reports whether a file is there: by an absentError if it is not, and by
// another one if it should be, as a variable names it. A file in a directory that may
// not be searched is not there.
func lookFor(path, variable string, given bool) error {
	if path == "" {
		return absent("there is no home directory")
	}
	_, err := os.Stat(path)
	if err == nil {
		return nil
	}
	reason := reasonOf(err)
	switch {
	case given:
		return problem("%s names %q: %s", variable, path, reason)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrPermission):
		return absent("%s: %s", path, reason)
	}
	return problem("%q: %s", path, reason)
}

// reasonOf is what the system says, without the path, which stands before it.
func reasonOf(err error) string {
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return failed.Err.Error()
	}
	return err.Error()
}

// maxFile is far more than a file of profiles takes.
const maxFile = 4 << 20

var byteOrderMark = []byte("\ufeff")

// read returns the contents of a file without its byte order mark. One that is empty
// is being written.
func read(path string) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // the file that the user names
	if err != nil {
		return nil, problem("it cannot be read: %s", reasonOf(err))
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return nil, problem("it cannot be read: %s", reasonOf(err))
	case len(data) > maxFile:
		return nil, problem("it is larger than %d bytes", maxFile)
	}
	data = bytes.TrimSpace(bytes.TrimPrefix(data, byteOrderMark))
	if len(data) == 0 {
		return nil, unfinished("it is empty")
	}
	return data, nil
}

// credentialsFileProvider makes credentials-go's errors about the ini file fit to be
// shown: they quote lines of it.
type credentialsFileProvider struct{ providers.CredentialsProvider }

func (p credentialsFileProvider) GetCredentials() (*providers.Credentials, error) {
	keys, err := p.CredentialsProvider.GetCredentials()
	if err == nil {
		return keys, nil
	}
	// An ini file does not show whether it is whole, so what it lacks may still come.
	switch text := err.Error(); {
	case strings.HasPrefix(text, "ERROR: Can not open file"):
		return nil, unfinished("it is not an ini file")
	case strings.HasPrefix(text, "ERROR: Can not load section"):
		return nil, unfinished("it has no such section")
	case strings.HasPrefix(text, "ERROR: Can not find credential type"):
		return nil, unfinished("the section has no type")
	case strings.HasPrefix(text, "ERROR: Failed to get credential"):
		return nil, problem("the section's type is none of access_key, ecs_ram_role and ram_role_arn")
	case strings.HasPrefix(text, "ERROR: "):
		return nil, unfinished("the section lacks something that its type needs")
	}
	return nil, err
}

func findCredentialsFile() (source, error) {
	path, given := credentialsFile()
	name := os.Getenv(envProfile)
	err := lookFor(path, envCredentials, given)
	if _, ok := errors.AsType[*absentError](err); ok && name != "" {
		config, _ := configFile()
		return source{}, problem("%s names profile %q, but there is neither %q nor %q", envProfile, name, config, path)
	}
	if err != nil {
		return source{}, err
	}
	if name == "" {
		name = "default"
	}
	return fileProfile(name, path), nil
}

// fileProfile is a profile of an ini file.
func fileProfile(name, path string) source {
	open := func() (providers.CredentialsProvider, error) {
		if now, _ := credentialsFile(); now != path { // credentials-go would read that one
			return nil, problem("the environment names another file now")
		}
		if _, err := read(path); err != nil {
			return nil, err
		}
		provider, err := built(providers.NewProfileCredentialsProviderBuilder().WithProfileName(name).Build())
		return credentialsFileProvider{provider}, err
	}
	return source{name: profileOf(name, path), open: open}
}
