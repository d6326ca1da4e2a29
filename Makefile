# Each target is a check of .ci/run, which has the commands. make alone runs all but the long ones, which make full has too.
.PHONY: all full test cores promises tidy vet fix lint scripts race coverage bench fuzz cross weight api modules rehearsal release-rehearsal browser e2e mutants mutation simulation vuln docs

all: ; bash .ci/run
full: ; bash .ci/run full
release-rehearsal: rehearsal

test cores promises tidy vet fix lint scripts race coverage bench fuzz cross weight api modules rehearsal browser e2e mutants mutation simulation vuln: ; bash .ci/run $@

docs:
	go test -run "^TestDocs(Errors|TestLinks|Behaviours|Operations)$$" . ./ecstest ./internal/acceptance -update
	go -C cmd/ecs-reboot test -run "^TestManual$$" ./internal/app -update
