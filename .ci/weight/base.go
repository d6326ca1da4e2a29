//go:build ignore

// Command base is what a program weighs that calls the service by net/http, with the
// credentials of credentials-go.
package main

import (
	"fmt"
	"net/http"

	"github.com/aliyun/credentials-go/credentials"
)

func main() {
	credential, err := credentials.NewCredential(nil)
	if err != nil {
		panic(err)
	}
	keys, err := credential.GetCredential()
	fmt.Println(keys, err)
	resp, err := http.Post("https://ecs-cn-hangzhou.aliyuncs.com", "", nil)
	fmt.Println(resp, err)
}
