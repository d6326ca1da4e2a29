// Package journal keeps a durable, append-only log of JSON records for one writer.
//
// What [Journal.Append] returned without an error is there after a kill -9 and
// after a power loss, as far as the disk keeps its word; damage is found when the
// log is read. The file is line by line JSON, for jq and the like. The package
// knows nothing of what the records mean.
//
// # Format
//
// A line is one record, in this order of members, without spaces between them:
//
//	{"seq":7,"group":5,"record":{...},"crc":"1a2b3c4d"}
//
// seq counts the lines from 0. Lines that were written and made durable at once
// are a group; group is the seq of its first line. crc is the CRC-32C, in lower
// case hex, of all bytes of the line before the comma of ,"crc". The line ends with
// a newline, which occurs nowhere else.
//
// Line 0 is the header, whose record is {"format":"journal","version":1}. A reader
// refuses another version. The records of the caller begin with line 1, which is
// of the header's group.
//
// # Torn or corrupt
//
// A group is written once the one before it is durable. So a crash damages the
// last group only: it may lack its end, or pieces anywhere in it. What follows its
// first damaged line is the torn tail, none of which was acknowledged. Anything
// else that is damaged was, and makes the journal corrupt: a damaged line before a
// later group, a line that is missing or there twice, or one that was put in.
//
// Damage that is not of a crash, but in the last group all the same, looks like a
// torn tail. So [Contents] shows what was torn, and callers who can should check
// what they did last.
//
// # Files
//
// Next to the journal is a file of the same name with ".lock", which names the process
// that writes. The file remains when no process writes: the lock itself is held by the
// kernel, until the process ends, however it ends. On systems without such a lock
// (other than Windows, Linux, macOS and the BSDs), the file is the lock, and must be
// removed by hand after a crash. When a torn tail is cut off, it is appended to a file
// of the same name with ".torn".
//
// Only their owner can read the files. Where a directory cannot be synced, as on
// Windows, a power loss may remove a new journal completely.
package journal
