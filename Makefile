# Each target is a check of .ci/run, which has the commands; make alone runs all but e2e and vuln.
.PHONY: all test tidy vet fix lint race coverage bench fuzz cross weight api modules e2e vuln docs

all: ; bash .ci/run

test tidy vet fix lint race coverage bench fuzz cross weight api modules e2e vuln: ; bash .ci/run $@

docs: ; go test -run '^TestDocs' -update .
