// SPDX-License-Identifier: Apache-2.0
// The Itanium machine's ACPI namespace.  The build takes the compiled bytes of dsdt_ipf.hex.h, made by
//     iasl -p dsdt_ipf dsdt_ipf.asl && xxd -i < dsdt_ipf.aml (below the two comment lines)
DefinitionBlock ("dsdt_ipf.aml", "DSDT", 2, "SILVER", "POOL", 1)
{
    Name (\_S5, Package () { 0, 0, 0, 0 })          // SLP_TYP 0 powers off (acpi_pm.h)

    Scope (\_SB)
    {
        Device (PCI0)                               // a bus without devices
        {
            Name (_HID, EisaId ("PNP0A03"))
            Name (_UID, 0)
            Name (_CRS, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0, 0, 0, 1)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                        0, 0x1000, 0xffff, 0, 0xf000)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                             0, 0xc0000000, 0xdfffffff, 0, 0x20000000)
            })
        }

        Device (COM1)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 1)
            Name (_STA, 0x0f)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x03f8, 0x03f8, 1, 8)
                IRQNoFlags () { 4 }
            })
        }
    }
}
