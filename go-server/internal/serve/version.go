package serve

import "runtime/debug"

// ModuleVersion returns the version of a module that the program is built with.
func ModuleVersion(path string) string {
	build, ok := debug.ReadBuildInfo()
	if ok {
		for _, module := range build.Deps {
			if module.Path == path {
				return module.Version
			}
		}
	}
	return "of unknown version"
}
