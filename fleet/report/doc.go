// Package report draws what became of a run of package fleet, from its journal
// alone: while the run goes on, after its end, and after a crash.
//
//	history, err := fleet.Load("web.journal")
//	if err != nil {
//		return err
//	}
//	return report.HTML(file, history, report.Options{Program: "rolling", Journal: "web.journal"})
//
// [HTML] writes one file for people, which needs nothing else to open, neither
// network nor scripts. [JSON] writes the same for programs.
package report
