# Each target is a check of .ci/run, which has the commands; make alone runs them all.
.PHONY: all test tidy vet fix lint race coverage bench fuzz cross weight api modules vuln docs

all: ; bash .ci/run

test tidy vet fix lint race coverage bench fuzz cross weight api modules vuln: ; bash .ci/run $@

docs: ; go test -run '^TestDocs' -update .
