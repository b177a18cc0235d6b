# SPDX-License-Identifier: Apache-2.0
# SP_MUTATE: the VMX of this build has rules that can be switched off, one at a time (tests/conformance/mutate.py).
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(mutate_dir ${CMAKE_SOURCE_DIR}/tests/conformance/mutate)
set(mutants_dir ${CMAKE_BINARY_DIR}/mutants)
set(originals)
set(mutants)
foreach(name
        apic apic_timer enter entry_check entry_controls entry_guest entry_host entry_segments ept ept_walk eptp exit
        guest_paging insn insn_info intercept intercept_cr intercept_event intercept_msr msr_list spp vmcs)
    list(APPEND originals ${CMAKE_SOURCE_DIR}/src/vmx/${name}.c)
    list(APPEND mutants ${mutants_dir}/${name}.c)
endforeach()
add_custom_command(
    OUTPUT ${mutants} ${mutants_dir}/mutants.def
    COMMAND ${Python3_EXECUTABLE} ${mutate_dir}/generate.py ${mutants_dir} ${originals}
    DEPENDS ${mutate_dir}/generate.py ${originals}
    VERBATIM)
list(REMOVE_ITEM SOURCES ${originals})
list(APPEND SOURCES ${mutants} ${mutate_dir}/rules.c ${mutate_dir}/console.c)
set_source_files_properties(${mutants} PROPERTIES COMPILE_OPTIONS -w)
set_source_files_properties(${mutate_dir}/rules.c PROPERTIES OBJECT_DEPENDS ${mutants_dir}/mutants.def)
set_source_files_properties(src/cli/conform_child.c PROPERTIES
    COMPILE_DEFINITIONS machine_create=mutate_machine_create)
include_directories(tests ${CMAKE_BINARY_DIR})
