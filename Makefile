# Each target is a check of .ci/run, which has the commands; make alone runs all but e2e, mutants and vuln.
.PHONY: all test promises tidy vet fix lint race coverage bench fuzz cross weight api modules e2e vuln docs

all: ; bash .ci/run

test promises tidy vet fix lint race coverage bench fuzz cross weight api modules e2e mutants vuln: ; bash .ci/run $@

docs: ; go test -run "^TestDocs(Errors|TestLinks)$$" . ./internal/acceptance -update
