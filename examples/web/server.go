// Answers every request on port 8080.
package main

import (
	"fmt"
	"log"
	"net/http"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello from Go") })
	log.Fatal(http.ListenAndServe(":8080", nil))
}
