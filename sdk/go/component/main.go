// Command component is what is compiled: the exports of the plugin's world.
package main

import _ "{{module}}/bindings/exports/wit_exports"

func main() {}
