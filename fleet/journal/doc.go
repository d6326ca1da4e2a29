// Package journal keeps a durable, append-only log of JSON records for one writer.
//
// A record for which [Journal.Append] returned nil survives a kill -9 and a power
// loss, provided that the disk honours syncs and the system can sync directories
// (see Files); damage is found when the journal is read. The file holds one JSON
// object per line, for jq and similar tools. The package does not interpret the
// records.
//
// # Format
//
// A line is one record. Its members are in this order, without spaces between them:
//
//	{"seq":7,"group":5,"record":{...},"crc":"1a2b3c4d"}
//
// seq counts the lines from 0. Lines that were written and made durable together
// are a group; group is the seq of the group's first line. crc is the CRC-32C, in
// lower case hex, of all bytes of the line before `,"crc"`. The line ends with a
// newline, which occurs nowhere else.
//
// Line 0 is the header, whose record is {"format":"journal","version":1}. A reader
// refuses another version. The caller's records begin at line 1, which belongs to
// the same group as the header.
//
// # Torn or corrupt
//
// A group is written only after the previous one is durable. So a crash damages the
// last group only: the group may lack its end, or pieces anywhere in it. The first
// damaged line and everything after that line are the torn tail. If a crash caused the
// damage, no record in the tail was acknowledged. Damage anywhere else affects records that were acknowledged, and
// makes the journal corrupt: a damaged line before a later group, a line that is
// missing or duplicated, or a line that was inserted.
//
// But damage to the last group that has another cause looks the same, so a torn tail may
// hold acknowledged records. [Contents] holds the bytes of the tail;
// callers should verify, where they can, whether the actions they recorded last
// really happened.
//
// # Files
//
// The lock file has the name of the journal with ".lock" appended, and names the
// process that wrote last. On Windows, Linux, macOS and the BSDs, the kernel holds
// the lock until the journal is closed or the process ends, however it ends. The
// lock file itself is never removed there, so its presence does not mean that a
// process writes. On other systems, the file is the lock: closing the journal
// removes it, and after a crash it must be removed by hand.
//
// [Open] appends a torn tail to a second file, which has the name of the journal with
// ".torn" at its end, and then cuts the tail off the journal.
//
// The files are readable only by their owner. Where a directory cannot be synced, as
// on Windows, a power loss may remove a new journal completely.
package journal
