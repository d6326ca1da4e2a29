// Package redact keeps secrets out of texts that are shown: errors, events and log
// records.
//
// A [Scrubber] knows the secrets of one attempt and finds them in whatever spelling a
// text has them. Texts from outside can also hold secrets that nobody here knows: the
// error of a credential provider quotes answers, configuration files and signed URLs.
// These are found by the names that secrets are given, and by what they look like.
//
// # The rules
//
//   - No text shows 12 consecutive letters and digits of a known secret, however they
//     are encoded. A shorter secret is removed as a whole.
//   - Request ids, hosts, paths and the words of an error mostly remain.
//   - A text that is scrubbed twice stays as it is.
//   - The time is proportional to the text, and only the first 32 KiB are read.
package redact
