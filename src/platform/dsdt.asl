// SPDX-License-Identifier: Apache-2.0
// The machine's ACPI namespace.  The build takes the compiled bytes of dsdt.hex.h, made by
//     iasl -p dsdt dsdt.asl && xxd -i < dsdt.aml (below the two comment lines)
DefinitionBlock ("dsdt.aml", "DSDT", 2, "SILVER", "POOL", 1)
{
    Name (\_S5, Package () { 0, 0, 0, 0 })          // SLP_TYP 0 powers off (acpi_pm.h)

    Name (PICM, 0)                                  // 1: interrupts go through the I/O APIC
    Method (\_PIC, 1)
    {
        PICM = Arg0
    }

    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A08"))
            Name (_CID, EisaId ("PNP0A03"))
            Name (_UID, 0)

            // No native control of PCI Express features is there to be granted.
            Method (_OSC, 4)
            {
                CreateDWordField (Arg3, 0, CDW1)
                If (Arg0 != ToUUID ("33db4d5b-1ff7-401c-9657-7441c03dd766"))
                {
                    CDW1 |= 4                       // unrecognized UUID
                    Return (Arg3)
                }
                CreateDWordField (Arg3, 8, CDW3)
                If (Arg1 != 1)
                {
                    CDW1 |= 8                       // unrecognized revision
                }
                If (CDW3 != 0)
                {
                    CDW1 |= 16                      // capabilities masked
                    CDW3 = 0
                }
                Return (Arg3)
            }

            // Pin n of slot s is wired to PIRQ[E + (s + n) mod 4] (lpc.h): I/O APIC pins 20 to 23, or the
            // 8259 inputs to which firmware routes them.
            Name (IRQS, Package () { 10, 10, 11, 11 })
            Method (_PRT, 0, Serialized)
            {
                Local0 = Package (124) {}
                Local1 = 0
                While (Local1 < 124)
                {
                    Local2 = (Local1 >> 2) + 1      // the slot
                    Local3 = (Local2 + Local1) & 3
                    If (PICM)
                    {
                        Local4 = 20 + Local3
                    }
                    Else
                    {
                        Local4 = DerefOf (IRQS [Local3])
                    }
                    Local0 [Local1] = Package (4) { 0, 0, 0, 0 }
                    DerefOf (Local0 [Local1]) [0] = (Local2 << 16) | 0xffff
                    DerefOf (Local0 [Local1]) [1] = Local1 & 3
                    DerefOf (Local0 [Local1]) [3] = Local4
                    Local1++
                }
                Return (Local0)
            }

            Name (_CRS, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0, 0xff, 0, 0x100)
                IO (Decode16, 0x0cf8, 0x0cf8, 1, 8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                        0, 0x0000, 0x0cf7, 0, 0x0cf8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                        0, 0x0d00, 0xffff, 0, 0xf300)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                             0, 0x000a0000, 0x000bffff, 0, 0x00020000)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                             0, 0xc0000000, 0xfebfffff, 0, 0x3ec00000)
            })

            Device (MCH)
            {
                Name (_ADR, 0)
                OperationRegion (CONF, PCI_Config, 0x60, 4)
                Field (CONF, DWordAcc, NoLock, Preserve)
                {
                    EXBR, 32                        // PCIEXBAR: enabled, length, base
                }
            }

            Device (ISA)
            {
                Name (_ADR, 0x001f0000)

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
                Device (RTC)
                {
                    Name (_HID, EisaId ("PNP0B00"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x0070, 0x0070, 1, 2)
                        IRQNoFlags () { 8 }
                    })
                }
                Device (TIMR)
                {
                    Name (_HID, EisaId ("PNP0100"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x0040, 0x0040, 1, 4)
                        IRQNoFlags () { 0 }
                    })
                }
                Device (PIC)
                {
                    Name (_HID, EisaId ("PNP0000"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x0020, 0x0020, 1, 2)
                        IO (Decode16, 0x00a0, 0x00a0, 1, 2)
                        IO (Decode16, 0x04d0, 0x04d0, 1, 2)
                        IRQNoFlags () { 2 }
                    })
                }
            }
        }

        // What belongs to the chipset: the window of the memory-mapped configuration mechanism, the ACPI
        // registers.
        Device (CHIP)
        {
            Name (_HID, EisaId ("PNP0C02"))
            Name (_UID, 0)
            Method (_CRS, 0, Serialized)
            {
                Name (CRES, ResourceTemplate ()
                {
                    Memory32Fixed (ReadWrite, 0, 0, ECAM)
                    IO (Decode16, 0x0600, 0x0600, 1, 0x80)
                    IO (Decode16, 0x00b2, 0x00b2, 1, 2)
                })
                CreateDWordField (CRES, ECAM._BAS, BASE)
                CreateDWordField (CRES, ECAM._LEN, SIZE)
                Local0 = \_SB.PCI0.MCH.EXBR
                SIZE = 0x10000000 >> ((Local0 >> 1) & 3)
                BASE = Local0 & ~(SIZE - 1)
                Return (CRES)
            }
        }

        Device (HPET)
        {
            Name (_HID, EisaId ("PNP0103"))
            Name (_UID, 0)
            Name (_CRS, ResourceTemplate ()
            {
                Memory32Fixed (ReadOnly, 0xfed00000, 0x00000400)
            })
        }
    }
}
