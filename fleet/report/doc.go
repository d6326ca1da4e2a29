// Package report describes a run of package fleet from the run's journal alone:
// while the run is in progress, after its end, and after a crash.
//
//	history, err := fleet.Load("web.journal")
//	if err != nil {
//		return err
//	}
//	return report.HTML(file, history, report.Options{Program: "rolling", Journal: "web.journal"})
//
// [HTML] writes a single self-contained file for people, which needs neither
// scripts nor network access. [JSON] writes the same for programs.
package report
